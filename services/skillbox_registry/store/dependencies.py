"""What became of the packages of archives, in Postgres."""

from skillbox_common.db import Pool, unavailable_when_lost
from skillbox_registry.skill import Dependencies

# Long enough for a replica that is only slow; by the clock of the database alone.
_LEASE_S = 10.0


class PostgresDependencyReports:
    """One row for each archive: the same bytes ask for the same packages.

    Who installs them gives a sign of life. When it is missing, nothing is known any more.

    Every method raises `DependencyUnavailable` when the database does not answer.
    """

    def __init__(self, pool: "Pool", lease_s: float = _LEASE_S) -> None:
        self._pool = pool
        self._lease_s = lease_s

    async def find(self, digest: str) -> Dependencies | None:
        async with unavailable_when_lost():
            row = await self._pool.fetchrow(
                """
                SELECT status, error FROM archive_dependencies
                WHERE digest = $1
                    AND (status <> 'pending' OR updated_at > now() - make_interval(secs => $2))
                """,
                digest,
                self._lease_s,
            )
        return Dependencies(**row) if row else None

    async def beat(self, digest: str) -> None:
        async with unavailable_when_lost():
            await self._pool.execute(
                "UPDATE archive_dependencies SET updated_at = now() "
                "WHERE digest = $1 AND status = 'pending'",
                digest,
            )

    async def record(self, digest: str, dependencies: Dependencies) -> None:
        async with unavailable_when_lost():
            await self._pool.execute(
                """
                INSERT INTO archive_dependencies (digest, status, error) VALUES ($1, $2, $3)
                ON CONFLICT (digest) DO UPDATE
                SET status = excluded.status, error = excluded.error, updated_at = now()
                """,
                digest,
                dependencies.status,
                dependencies.error.replace("\0", ""),
            )
