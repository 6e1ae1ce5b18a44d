"""Which archives are in the object store, in Postgres."""

from collections.abc import Awaitable, Callable

from skillbox_common.db import Pool, unavailable_when_lost

_CLAIM = """
INSERT INTO archives (digest) VALUES ($1)
ON CONFLICT (digest) DO UPDATE SET unneeded_since = NULL
"""
_NEEDED = "EXISTS (SELECT FROM skill_versions WHERE skill_versions.digest = archives.digest)"
_MARK = f"""
UPDATE archives SET unneeded_since = CASE WHEN {_NEEDED} THEN NULL ELSE now() END
WHERE (unneeded_since IS NULL) <> {_NEEDED}
"""  # noqa: S608 - a constant of ours
_NEXT = f"""
SELECT digest FROM archives
WHERE unneeded_since < now() - make_interval(secs => $1) AND NOT {_NEEDED}
ORDER BY unneeded_since LIMIT 1 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - a constant of ours


class PostgresArchives:
    """Implements `ArchiveList`."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def claim(self, digest: str) -> None:
        async with unavailable_when_lost():
            await self._pool.execute(_CLAIM, digest)

    async def mark_unneeded(self) -> None:
        async with unavailable_when_lost():
            await self._pool.execute(_MARK)

    async def remove_one(self, unneeded_s: float, remove: Callable[[str], Awaitable[None]]) -> bool:
        async with (
            unavailable_when_lost(),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            digest = await connection.fetchval(_NEXT, unneeded_s)
            if digest is None:
                return False
            # The row stays locked meanwhile: whoever claims the same archive comes after this
            # and stores it anew.
            await remove(digest)
            await connection.execute("DELETE FROM archives WHERE digest = $1", digest)
            await connection.execute("DELETE FROM archive_dependencies WHERE digest = $1", digest)
            return True
