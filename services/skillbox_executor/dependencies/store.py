"""What is known of dependency sets, in Postgres: for all replicas."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from skillbox_common import db

_COLUMNS = "key, digest, error, size_bytes, extract(epoch FROM now() - created_at)::float8 AS age_s"


@dataclass(frozen=True)
class DependencySet:
    """The result of one installation.

    Attributes:
        digest: SHA-256 of its tar; empty when it failed.
        error: Why it failed; empty when it did not.
        age_s: Seconds since the installation.
    """

    key: str
    digest: str = ""
    error: str = ""
    size_bytes: int = 0
    age_s: float = 0.0


class PostgresDependencyStore:
    """Every method raises `DependencyUnavailable` when the database does not answer."""

    def __init__(self, pool: "db.Pool") -> None:
        self._pool = pool

    async def use(self, key: str) -> DependencySet | None:
        """Returns a set and remembers that it was asked for just now."""
        async with db.unavailable_when_lost():
            row = await self._pool.fetchrow(
                f"UPDATE dependency_sets SET used_at = now() WHERE key = $1 RETURNING {_COLUMNS}",  # noqa: S608 - a constant of ours
                key,
            )
        return DependencySet(**row) if row else None

    async def save(self, made: DependencySet) -> None:
        """Records the result of an installation, in place of an earlier one."""
        async with db.unavailable_when_lost():
            await self._pool.execute(
                """
                INSERT INTO dependency_sets (key, digest, error, size_bytes)
                VALUES ($1, $2, $3, $4)
                ON CONFLICT (key) DO UPDATE
                SET digest = excluded.digest, error = excluded.error,
                    size_bytes = excluded.size_bytes, created_at = now(), used_at = now()
                """,
                made.key,
                made.digest,
                made.error.replace("\0", ""),
                made.size_bytes,
            )

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[bool]:
        """Tells whether this replica is the one that may work on a key while the context is open.

        The right is a lock of the database's session: who dies loses it with the connection.
        """
        number = int(key[:15], 16)
        async with db.unavailable_when_lost():
            connection = await self._pool.acquire()
        locked = None
        try:
            async with db.unavailable_when_lost():
                locked = await connection.fetchval("SELECT pg_try_advisory_lock($1)", number)
            yield bool(locked)
        finally:
            if locked is not False:
                connection.terminate()  # which unlocks
            await self._pool.release(connection)

    async def unused(self, seconds: float) -> Sequence[DependencySet]:
        """Returns the sets that nobody has asked for in so long."""
        async with db.unavailable_when_lost():
            rows = await self._pool.fetch(
                f"SELECT {_COLUMNS} FROM dependency_sets "  # noqa: S608 - a constant of ours
                "WHERE used_at < now() - make_interval(secs => $1)",
                seconds,
            )
        return [DependencySet(**row) for row in rows]

    async def forget(self, key: str, seconds: float) -> bool:
        """Removes a set if nobody has asked for it in so long.

        Returns:
            Whether it was removed, and no other key has the same tar.
        """
        async with db.unavailable_when_lost():
            orphan: bool = await self._pool.fetchval(
                """
                WITH gone AS (
                    DELETE FROM dependency_sets
                    WHERE key = $1 AND used_at < now() - make_interval(secs => $2)
                    RETURNING digest
                )
                SELECT EXISTS (SELECT FROM gone) AND NOT EXISTS (
                    SELECT FROM dependency_sets JOIN gone USING (digest) WHERE key <> $1
                )
                """,
                key,
                seconds,
            )
        return orphan
