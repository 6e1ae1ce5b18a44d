"""Uploads that are repeated."""

import asyncio
from dataclasses import replace

import grpc
import pytest

from skillbox.registry.v1.skill_service_pb2 import DeleteSkillRequest, ListSkillsRequest
from tests.service.registry.running import Caller, Registry, run_registry
from tests.support import parts
from tests.support.failures import failure
from tests.unit.registry.zips import skill_zip

FIRST, OTHER = skill_zip("timeout: 5s"), skill_zip("timeout: 6s")


@pytest.fixture
def caller(registry: Registry) -> Caller:
    return replace(registry.caller(), repeats="upload-1")


async def versions(caller: Caller) -> list[str]:
    reply = await caller.skills.ListSkills(ListSkillsRequest(), metadata=caller.metadata)
    return [skill.version for skill in reply.skills]


async def test_the_same_bytes_get_the_first_reply(caller: Caller) -> None:
    first = await caller.upload(FIRST)
    assert await caller.upload(FIRST, step=100) == first
    # What happened since is not undone.
    anybody = replace(caller, repeats="")
    await anybody.upload(OTHER)
    assert await caller.upload(FIRST) == first
    assert await caller.download("demo") == OTHER
    await anybody.skills.DeleteSkill(
        DeleteSkillRequest(name="demo", version="1.0.0"), metadata=anybody.metadata
    )
    assert await caller.upload(FIRST) == first
    assert await versions(caller) == []


async def test_other_bytes_are_refused_and_not_stored(caller: Caller, registry: Registry) -> None:
    await caller.upload(FIRST)
    refused = await failure(caller.upload(OTHER))
    assert refused.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refused.reason == "IDEMPOTENCY_KEY_REUSED"
    assert await caller.download("demo") == FIRST
    reply = await caller.post([OTHER])
    assert (reply.status, reply.body["error"]) == (422, "idempotency_key_reused")
    # Keys are a tenant's own.
    stranger = replace(registry.caller(), repeats="upload-1")
    await stranger.upload(OTHER)


async def test_rest_and_grpc_know_the_same_keys(caller: Caller) -> None:
    first = await caller.post([FIRST])
    assert first.status == 201
    assert await caller.post([FIRST]) == first
    assert (await caller.upload(FIRST)).skill.timeout == "5s"


async def test_of_different_bytes_at_once_one_wins(caller: Caller) -> None:
    zips = [skill_zip(f"timeout: {number + 1}s") for number in range(6)]
    replies = await asyncio.gather(*map(caller.upload, zips), return_exceptions=True)
    stored = [reply for reply in replies if not isinstance(reply, BaseException)]
    assert len(stored) == 1
    assert await caller.download("demo") == zips[replies.index(stored[0])]


async def test_a_refused_archive_does_not_use_the_key_up(caller: Caller) -> None:
    assert (await failure(caller.upload(b"no zip"))).reason == "INVALID_SKILL"
    await caller.upload(FIRST)


async def test_a_refused_version_does_not_use_the_key_up(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with run_registry(registry_dsn, registry_s3, immutable_versions=True) as registry:
        caller = replace(registry.caller(), repeats="upload-1")
        await replace(caller, repeats="").upload(FIRST)
        assert (await failure(caller.upload(OTHER))).reason == "SKILL_ALREADY_EXISTS"
        await caller.upload(FIRST)


async def test_a_key_is_forgotten_in_the_end(caller: Caller, registry: Registry) -> None:
    await caller.upload(FIRST)
    await registry.pool.execute("UPDATE upload_keys SET created_at = now() - interval '25 hours'")
    assert (await caller.upload(OTHER)).skill.timeout == "6s"


async def test_a_key_that_is_none(caller: Caller) -> None:
    long = replace(caller, repeats="x" * 256)
    refused = await failure(long.upload(FIRST))
    assert refused.reason == "INVALID_ARGUMENT"
    assert "idempotency-key" in refused.message
