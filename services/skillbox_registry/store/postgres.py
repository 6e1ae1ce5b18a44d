"""Versions of skills in Postgres. Every statement names the tenant."""

from collections.abc import Sequence
from dataclasses import astuple, fields

import asyncpg

from skillbox_common.db import Pool, unavailable_when_lost
from skillbox_registry.semver_order import is_release, sort_key
from skillbox_registry.skill import SkillSpec, SkillSummary, StoredSkill

_SPEC = tuple(field.name for field in fields(SkillSpec))
_WRITTEN = ("tenant_id", "version_key", "is_release", "digest", "size_bytes", *_SPEC)
_REPLACED = ("digest", "size_bytes", *_SPEC)

# Built from the names of fields above, never from values.
_PUT = f"""
INSERT INTO skill_versions ({", ".join(_WRITTEN)})
VALUES ({", ".join(f"${number}" for number in range(1, len(_WRITTEN) + 1))})
ON CONFLICT (tenant_id, name, version) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in _REPLACED)}, updated_at = now()
WHERE ${len(_WRITTEN) + 1} AND skill_versions.digest <> excluded.digest
RETURNING *
"""  # noqa: S608
_FIND = "SELECT * FROM skill_versions WHERE tenant_id = $1 AND name = $2 AND version = $3"
FIND_LATEST = """
SELECT * FROM skill_versions WHERE tenant_id = $1 AND name = $2
ORDER BY is_release DESC, version_key DESC LIMIT 1
"""
LIST = """
SELECT name, version, description, lang FROM skill_versions
WHERE tenant_id = $1 AND (name, version_key) > ($2, $3)
ORDER BY name, version_key LIMIT $4
"""
LIST_ONE = """
SELECT name, version, description, lang FROM skill_versions
WHERE tenant_id = $1 AND (name, version_key) > ($2, $3) AND name = $5
ORDER BY name, version_key LIMIT $4
"""
LIST_VERSIONS = """
SELECT name, version, description, lang FROM skill_versions
WHERE tenant_id = $1 AND name = $2 AND version_key < $3
ORDER BY version_key DESC LIMIT $4
"""
_DELETE = "DELETE FROM skill_versions WHERE tenant_id = $1 AND name = $2 AND version = $3"


# Sorts after every key, since each begins with a digit.
_AFTER_ALL = "~"


class PostgresSkillStore:
    """Implements what the commands ask for.

    Every method raises `DependencyUnavailable` when the database does not answer.
    """

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    async def find(self, tenant_id: str, name: str, version: str) -> StoredSkill | None:
        async with unavailable_when_lost():
            row = await self._pool.fetchrow(_FIND, tenant_id, name, version)
        return _stored(row) if row else None

    async def find_latest(self, tenant_id: str, name: str) -> StoredSkill | None:
        async with unavailable_when_lost():
            row = await self._pool.fetchrow(FIND_LATEST, tenant_id, name)
        return _stored(row) if row else None

    async def put(
        self, tenant_id: str, spec: SkillSpec, digest: str, size_bytes: int, *, replace: bool
    ) -> StoredSkill:
        version = spec.version
        values = (tenant_id, sort_key(version), is_release(version), digest, size_bytes)
        while True:
            async with unavailable_when_lost():
                row = await self._pool.fetchrow(_PUT, *values, *astuple(spec), replace)
            # No row: the version is there and stays as it is. It may be deleted meanwhile.
            stored = _stored(row) if row else await self.find(tenant_id, spec.name, version)
            if stored is not None:
                return stored

    async def list(
        self, tenant_id: str, *, name: str, after: tuple[str, str], limit: int | None
    ) -> Sequence[SkillSummary]:
        query, extra = (LIST_ONE, (name,)) if name else (LIST, ())
        async with unavailable_when_lost():
            rows = await self._pool.fetch(query, tenant_id, *after, limit, *extra)
        return [SkillSummary(**row) for row in rows]

    async def list_versions(
        self, tenant_id: str, name: str, *, before: str | None, limit: int
    ) -> Sequence[SkillSummary]:
        async with unavailable_when_lost():
            rows = await self._pool.fetch(
                LIST_VERSIONS, tenant_id, name, before or _AFTER_ALL, limit
            )
        return [SkillSummary(**row) for row in rows]

    async def delete(self, tenant_id: str, name: str, version: str) -> bool:
        async with unavailable_when_lost():
            status = await self._pool.execute(_DELETE, tenant_id, name, version)
        return status != "DELETE 0"


def _stored(row: asyncpg.Record) -> StoredSkill:
    return StoredSkill(
        spec=SkillSpec(**{name: row[name] for name in _SPEC}),
        digest=row["digest"],
        size_bytes=row["size_bytes"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
