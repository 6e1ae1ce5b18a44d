"""Archives that no version needs any more are removed, and no others."""

import asyncio
import hashlib

import pytest

from skillbox.registry.v1.skill_service_pb2 import DeleteSkillRequest
from skillbox_common.errors import DependencyUnavailable
from skillbox_common.object_store import ObjectNotFound
from skillbox_registry.commands.sweep_archives import SweepArchives
from skillbox_registry.skill import archive_key
from skillbox_registry.store.archives import PostgresArchives
from tests.service.registry.running import Caller, Registry
from tests.unit.registry.zips import skill_zip

LONG = 3600.0


async def sweep(registry: Registry, unneeded_s: float = 0.0) -> None:
    await SweepArchives(PostgresArchives(registry.pool), registry.archives, unneeded_s=unneeded_s)()


async def stored(registry: Registry, content: bytes) -> bool:
    try:
        await registry.archives.get(archive_key(hashlib.sha256(content).hexdigest()))
    except ObjectNotFound:
        return False
    return True


async def delete(caller: Caller) -> None:
    request = DeleteSkillRequest(name="demo", version="1.0.0")
    await caller.skills.DeleteSkill(request, metadata=caller.metadata)


def unique(caller: Caller) -> bytes:
    """An archive that no other test uploads."""
    return skill_zip(f"license: {caller.tenant}")


async def test_after_the_last_version_has_gone(registry: Registry, caller: Caller) -> None:
    content = unique(caller)
    await caller.upload(content)
    await sweep(registry)
    assert await stored(registry, content)
    await delete(caller)
    await sweep(registry, LONG)
    assert await stored(registry, content)
    await sweep(registry)
    assert not await stored(registry, content)

    await caller.upload(content)
    await sweep(registry)
    assert await caller.download("demo") == content


async def test_another_tenant_has_the_same_bytes(registry: Registry, caller: Caller) -> None:
    content, other = unique(caller), registry.caller()
    await caller.upload(content)
    await other.upload(content)
    await delete(caller)
    await sweep(registry)
    assert await other.download("demo") == content


async def test_replaced_bytes(registry: Registry, caller: Caller) -> None:
    old, new = unique(caller), skill_zip(f"compatibility: {caller.tenant}")
    await caller.upload(old)
    await caller.upload(new)
    await sweep(registry)
    assert not await stored(registry, old)
    assert await caller.download("demo") == new


async def test_an_upload_meanwhile_stores_it_anew(registry: Registry, caller: Caller) -> None:
    content = unique(caller)
    await caller.upload(content)
    await delete(caller)
    known = PostgresArchives(registry.pool)
    await known.mark_unneeded()
    removing, go_on = asyncio.Event(), asyncio.Event()

    async def remove(digest: str) -> None:
        removing.set()
        await go_on.wait()
        await registry.archives.delete(archive_key(digest))

    sweeping = asyncio.create_task(known.remove_one(0, remove))
    await removing.wait()
    upload = asyncio.create_task(caller.upload(content))
    await asyncio.sleep(0.2)
    assert not upload.done()
    go_on.set()
    assert await sweeping
    await upload
    assert await caller.download("demo") == content
    await sweep(registry)
    assert await caller.download("demo") == content


async def test_an_object_store_that_is_away(registry: Registry, caller: Caller) -> None:
    content = unique(caller)
    await caller.upload(content)
    await delete(caller)
    known = PostgresArchives(registry.pool)
    await known.mark_unneeded()

    async def away(digest: str) -> None:
        raise DependencyUnavailable("the object store does not answer")

    with pytest.raises(DependencyUnavailable):
        await known.remove_one(0, away)
    assert await stored(registry, content)
    await sweep(registry)
    assert not await stored(registry, content)
