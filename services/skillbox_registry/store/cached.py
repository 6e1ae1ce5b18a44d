"""Remembers `latest` in a cache that all replicas share."""

import time
from collections.abc import Sequence

import msgspec

from skillbox_common.shared_cache import Cache
from skillbox_registry.skill import SkillSpec, SkillSummary, StoredSkill
from skillbox_registry.store.interface import SkillStore

_KIND = "latest"


class CachedSkillStore:
    """A `SkillStore` before another one. Whoever changes a skill makes the cache forget it.

    Only when that does not reach the cache, `latest` may be two seconds old.
    """

    def __init__(self, inner: SkillStore, cache: Cache) -> None:
        self._inner = inner
        self._cache = cache

    async def find_latest(self, tenant_id: str, name: str) -> StoredSkill | None:
        key = _key(tenant_id, name)
        found = await self._cache.get(_KIND, key)
        if found is not None and (stored := _decode(found.value)) is not None:
            return stored
        asked_at = time.time()
        stored = await self._inner.find_latest(tenant_id, name)
        if stored is not None:
            await self._cache.put(_KIND, key, msgspec.json.encode(stored), asked_at)
        return stored

    async def put(
        self, tenant_id: str, spec: SkillSpec, digest: str, size_bytes: int, *, replace: bool
    ) -> StoredSkill:
        try:
            return await self._inner.put(tenant_id, spec, digest, size_bytes, replace=replace)
        finally:
            # Also after a failure, of which nobody knows how far it went.
            await self._cache.forget(_KIND, _key(tenant_id, spec.name))

    async def delete(self, tenant_id: str, name: str, version: str) -> bool:
        try:
            return await self._inner.delete(tenant_id, name, version)
        finally:
            await self._cache.forget(_KIND, _key(tenant_id, name))

    async def find(self, tenant_id: str, name: str, version: str) -> StoredSkill | None:
        return await self._inner.find(tenant_id, name, version)

    async def list(
        self, tenant_id: str, *, name: str, after: tuple[str, str], limit: int | None
    ) -> Sequence[SkillSummary]:
        return await self._inner.list(tenant_id, name=name, after=after, limit=limit)

    async def list_versions(
        self, tenant_id: str, name: str, *, before: str | None, limit: int
    ) -> Sequence[SkillSummary]:
        return await self._inner.list_versions(tenant_id, name, before=before, limit=limit)


def _key(tenant_id: str, name: str) -> str:
    return f"{tenant_id}\0{name}"


def _decode(data: bytes) -> StoredSkill | None:
    try:
        return msgspec.json.decode(data, type=StoredSkill)
    except msgspec.ValidationError:
        return None  # written by another revision
