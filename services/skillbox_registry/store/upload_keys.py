"""Idempotency keys of uploads in Postgres."""

from datetime import timedelta

from skillbox_common.db import Pool, unavailable_when_lost
from skillbox_common.errors import IdempotencyKeyReused

_EXPIRE = "DELETE FROM upload_keys WHERE tenant_id = $1 AND created_at < now() - $2::interval"
_CLAIM = """
INSERT INTO upload_keys (tenant_id, key, digest) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, key) DO UPDATE SET key = excluded.key RETURNING digest, reply
"""
_ANSWER = """
UPDATE upload_keys SET reply = coalesce(reply, $3) WHERE tenant_id = $1 AND key = $2
RETURNING reply
"""
_RELEASE = "DELETE FROM upload_keys WHERE tenant_id = $1 AND key = $2 AND reply IS NULL"


class PostgresUploadKeys:
    """Implements `UploadKeys`.

    Args:
        keep_s: Seconds for which a key belongs to its upload.
    """

    def __init__(self, pool: "Pool", keep_s: float) -> None:
        self._pool = pool
        self._keep = timedelta(seconds=keep_s)

    async def claim(self, tenant_id: str, key: str, digest: str) -> str | None:
        async with unavailable_when_lost():
            await self._pool.execute(_EXPIRE, tenant_id, self._keep)
            row = await self._pool.fetchrow(_CLAIM, tenant_id, key, digest)
        assert row is not None  # the statement takes a key or finds whose it is
        if row["digest"] != digest:
            raise IdempotencyKeyReused("the idempotency key belongs to another upload")
        reply: str | None = row["reply"]
        return reply

    async def answer(self, tenant_id: str, key: str, reply: str) -> str:
        async with unavailable_when_lost():
            first: str | None = await self._pool.fetchval(_ANSWER, tenant_id, key, reply)
        return first or reply

    async def release(self, tenant_id: str, key: str) -> None:
        async with unavailable_when_lost():
            await self._pool.execute(_RELEASE, tenant_id, key)
