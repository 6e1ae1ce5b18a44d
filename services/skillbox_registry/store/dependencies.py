"""What became of the packages of archives, in Postgres."""

from skillbox_common.db import Pool, unavailable_when_lost
from skillbox_registry.skill import Dependencies


class PostgresDependencyReports:
    """One row for each archive: the same bytes ask for the same packages.

    Every method raises `DependencyUnavailable` when the database does not answer.
    """

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def find(self, digest: str) -> Dependencies | None:
        async with unavailable_when_lost():
            row = await self._pool.fetchrow(
                "SELECT status, error FROM archive_dependencies WHERE digest = $1", digest
            )
        return Dependencies(**row) if row else None

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
