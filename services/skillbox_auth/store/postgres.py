"""API keys in Postgres."""
# ruff: noqa: S608 - only the constant list of columns is put into the statements

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from skillbox_auth.api_key import ApiKey
from skillbox_common.db import Pool, unavailable_when_lost

_COLUMNS = (
    "id, tenant_id, name, scopes, prefix, created_at, expires_at, last_used_at, revoked_at, "
    "replaced_by"
)
_INSERT = f"""
    INSERT INTO api_keys ({_COLUMNS}, secret_sha256)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (secret_sha256) DO NOTHING
    RETURNING id
"""
_GET = f"SELECT {_COLUMNS} FROM api_keys WHERE tenant_id = $1 AND id = $2"
_FIND = f"SELECT {_COLUMNS} FROM api_keys WHERE secret_sha256 = $1"
_NEWEST = f"""
    SELECT {_COLUMNS} FROM api_keys
    WHERE tenant_id = $1 AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
    ORDER BY created_at DESC, id DESC
    LIMIT $2
"""
_REVOKE = f"""
    UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $2)
    WHERE id = $1
    RETURNING {_COLUMNS}
"""
# The row is locked and looked at again here: a revocation or another rotation may have won.
_RETIRE = """
    UPDATE api_keys SET replaced_by = $2, expires_at = LEAST(expires_at, $4)
    WHERE id = $1 AND replaced_by IS NULL AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > $3)
    RETURNING id
"""
_TOUCH = """
    UPDATE api_keys SET last_used_at = seen.at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS seen (id, at)
    WHERE api_keys.id = seen.id
        AND (last_used_at IS NULL OR last_used_at <= seen.at - interval '1 minute')
"""


class PostgresApiKeyStore:
    """Implements `ApiKeyStore` in the schema that the pool sees."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def insert(self, key: ApiKey, digest: bytes) -> bool:
        async with unavailable_when_lost():
            return await self._pool.fetchval(_INSERT, *_values(key), digest) is not None

    async def get(self, tenant_id: str, key_id: UUID) -> ApiKey | None:
        async with unavailable_when_lost():
            row = await self._pool.fetchrow(_GET, tenant_id, key_id)
        return _key(row) if row else None

    async def find(self, digest: bytes) -> ApiKey | None:
        async with unavailable_when_lost():
            row = await self._pool.fetchrow(_FIND, digest)
        return _key(row) if row else None

    async def newest(self, tenant_id: str, limit: int, after: ApiKey | None) -> list[ApiKey]:
        last = (after.created_at, after.id) if after else (None, None)
        async with unavailable_when_lost():
            rows = await self._pool.fetch(_NEWEST, tenant_id, limit, *last)
        return [_key(row) for row in rows]

    async def revoke(self, key: ApiKey, now: datetime) -> ApiKey:
        async with unavailable_when_lost():
            row = await self._pool.fetchrow(_REVOKE, key.id, now)
        assert row is not None, "keys are never removed"
        return _key(row)

    async def replace(
        self, old: ApiKey, new: ApiKey, digest: bytes, now: datetime, until: datetime
    ) -> bool:
        async with (
            unavailable_when_lost(),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            if await connection.fetchval(_RETIRE, old.id, new.id, now, until) is None:
                return False
            await connection.execute(_INSERT, *_values(new), digest)
            return True

    async def touch(self, seen: Mapping[UUID, datetime]) -> None:
        async with unavailable_when_lost():
            await self._pool.execute(_TOUCH, list(seen), list(seen.values()))


def _values(key: ApiKey) -> tuple[object, ...]:
    """Returns the values of `_COLUMNS`."""
    return (
        key.id,
        key.tenant_id,
        key.name,
        list(key.scopes),
        key.prefix,
        key.created_at,
        key.expires_at,
        key.last_used_at,
        key.revoked_at,
        key.replaced_by,
    )


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(**{**row, "scopes": tuple(row["scopes"])})
