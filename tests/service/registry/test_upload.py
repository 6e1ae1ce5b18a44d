"""Uploads over gRPC: what is stored, replaced, refused."""

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import IO

import grpc
import pytest

from skillbox.registry.v1.skill_service_pb2 import (
    DeleteSkillRequest,
    GetSkillRequest,
    ListSkillsRequest,
    UploadSkillRequest,
)
from skillbox_common.object_store import ObjectNotFound
from skillbox_registry.commands import upload_skill
from skillbox_registry.limits import Limits
from skillbox_registry.validate import ValidatedSkill, validate_archive
from tests.service.registry.running import Caller, Registry, run_registry
from tests.support import parts
from tests.support.failures import failure
from tests.unit.registry.zips import MAIN, skill_md, skill_zip, zip_of


async def versions(caller: Caller) -> list[str]:
    reply = await caller.skills.ListSkills(ListSkillsRequest(), metadata=caller.metadata)
    return [f"{skill.name}@{skill.version}" for skill in reply.skills]


async def test_an_uploaded_skill_can_be_had_in_full(caller: Caller) -> None:
    extra = "timeout: 1m30s\nresources: {memory: 64Mi, cpu: 0.50}\ninput_schema: {type: object}"
    content = skill_zip(extra)
    reply = await caller.upload(content)
    skill = await caller.skills.GetSkill(GetSkillRequest(name="demo"), metadata=caller.metadata)
    assert reply.skill == skill
    assert not reply.warnings
    assert (skill.name, skill.version, skill.lang) == ("demo", "1.0.0", "python")
    assert (skill.mode, skill.entrypoint) == ("executable", "scripts/main.py")
    assert (skill.timeout, skill.resources.memory, skill.resources.cpu) == ("1m30s", "64Mi", "0.50")
    assert skill.instructions == "# Demo\n\nDo it."
    assert skill.input_schema["type"] == "object"
    assert not skill.HasField("output_schema")
    assert skill.digest == hashlib.sha256(content).hexdigest()
    assert skill.size_bytes == len(content)
    assert skill.created_at == skill.updated_at
    assert await caller.download("demo", "1.0.0") == content


async def test_resources_are_there_when_the_skill_asks_for_none(caller: Caller) -> None:
    reply = await caller.upload(skill_zip())
    assert reply.skill.HasField("resources")
    assert reply.skill.resources.memory == ""


async def test_the_same_bytes_again_change_nothing(caller: Caller) -> None:
    first = await caller.upload(skill_zip())
    assert await caller.upload(skill_zip(), step=100) == first


async def test_other_bytes_replace_the_version(caller: Caller) -> None:
    first = (await caller.upload(skill_zip("timeout: 5s"))).skill
    second = (await caller.upload(skill_zip("timeout: 6s"))).skill
    assert (first.timeout, second.timeout) == ("5s", "6s")
    assert second.created_at == first.created_at
    assert second.updated_at.ToDatetime() > first.updated_at.ToDatetime()
    assert await versions(caller) == ["demo@1.0.0"]
    assert await caller.download("demo") == skill_zip("timeout: 6s")


async def test_an_execution_that_started_keeps_its_archive(
    caller: Caller, registry: Registry
) -> None:
    old = (await caller.upload(skill_zip("timeout: 7s"))).skill.digest
    await caller.upload(skill_zip("timeout: 8s"))
    await caller.skills.DeleteSkill(
        DeleteSkillRequest(name="demo", version="1.0.0"), metadata=caller.metadata
    )
    assert await registry.archives.get(f"archives/{old}") == skill_zip("timeout: 7s")


async def test_immutable_versions_refuse_other_bytes(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with run_registry(registry_dsn, registry_s3, immutable_versions=True) as registry:
        caller = registry.caller()
        first = await caller.upload(skill_zip())
        assert await caller.upload(skill_zip()) == first
        refused = await failure(caller.upload(skill_zip("timeout: 5s")))
        assert refused.code == grpc.StatusCode.ALREADY_EXISTS
        assert refused.reason == "SKILL_ALREADY_EXISTS"
        assert "demo@1.0.0" in refused.message
        assert await caller.download("demo") == skill_zip()


async def test_of_many_at_once_one_wins_when_versions_are_immutable(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with run_registry(registry_dsn, registry_s3, immutable_versions=True) as registry:
        caller = registry.caller()
        results = await asyncio.gather(
            *(caller.upload(skill_zip(f"timeout: {n}s")) for n in range(1, 9)),
            return_exceptions=True,
        )
        stored = [result for result in results if not isinstance(result, BaseException)]
        assert len(stored) == 1
        skill = await caller.skills.GetSkill(GetSkillRequest(name="demo"), metadata=caller.metadata)
        assert skill == stored[0].skill


async def test_many_at_once_leave_one_whole_version(caller: Caller) -> None:
    contents = {n: skill_zip(f"timeout: {n}s") for n in range(1, 9)}
    await asyncio.gather(*(caller.upload(content) for content in contents.values()))
    skill = await caller.skills.GetSkill(GetSkillRequest(name="demo"), metadata=caller.metadata)
    content = contents[int(skill.timeout.removesuffix("s"))]
    assert skill.digest == hashlib.sha256(content).hexdigest()
    assert await caller.download("demo") == content


async def test_an_invalid_skill_is_refused_with_every_problem_and_not_stored(
    caller: Caller, registry: Registry
) -> None:
    content = zip_of({"SKILL.md": "---\nname: a/b\nversion: 1.0\n---\n", "main.py": MAIN})
    refused = await failure(caller.upload(content))
    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.reason == "INVALID_SKILL"
    assert "SKILL.md line 2: name: 'a/b'" in refused.message
    assert "SKILL.md line 3: version: '1.0' is a YAML float" in refused.message
    assert "description: is required" in refused.message
    assert await versions(caller) == []
    with pytest.raises(ObjectNotFound):
        await registry.archives.get(f"archives/{hashlib.sha256(content).hexdigest()}")


async def test_what_the_uploader_expects_must_be_so(caller: Caller) -> None:
    refused = await failure(caller.upload(skill_zip(), name="other", version="2.0.0"))
    assert refused.reason == "INVALID_SKILL"
    assert "'other'" in refused.message
    assert "'2.0.0'" in refused.message
    assert await versions(caller) == []
    assert (await caller.upload(skill_zip(), name="demo", version="1.0.0")).skill.name == "demo"


async def test_an_empty_upload(caller: Caller) -> None:
    refused = await failure(caller.upload(b""))
    assert (refused.reason, "empty" in refused.message) == ("INVALID_ARGUMENT", True)
    nothing = await failure(caller.skills.UploadSkill(iter([]), metadata=caller.metadata))
    assert nothing.reason == "INVALID_ARGUMENT"


async def test_warnings_come_back(caller: Caller) -> None:
    reply = await caller.upload(skill_zip(name="Demo"))
    assert len(reply.warnings) == 1
    assert "lower-case" in reply.warnings[0]


async def test_the_operator_sets_the_limits(registry_dsn: str, registry_s3: parts.S3) -> None:
    async with run_registry(
        registry_dsn, registry_s3, max_skill_size="10Ki", max_memory="128Mi", max_cpu="2"
    ) as registry:
        caller = registry.caller()
        refused = await failure(caller.upload(skill_zip("resources: {memory: 1Gi, cpu: 3}")))
        assert "128Mi" in refused.message
        assert "server is 2" in refused.message
        large = await failure(caller.upload(b"x" * 10_241))
        assert (large.code, large.reason) == (grpc.StatusCode.OUT_OF_RANGE, "SKILL_TOO_LARGE")
        assert "10240 bytes" in large.message


async def test_no_row_is_stored_when_the_object_store_is_away(
    registry_dsn: str, registry_s3: parts.S3, caller: Caller
) -> None:
    away = replace(registry_s3, endpoint=f"127.0.0.1:{parts.free_port()}")
    async with run_registry(registry_dsn, away) as registry:
        refused = await failure(registry.caller(caller.tenant).upload(skill_zip()))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "DEPENDENCY_UNAVAILABLE",
    )
    assert await versions(caller) == []


async def test_eight_slow_uploads_overlap(caller: Caller) -> None:
    """Each takes half a second to send; one after the other they would take four."""

    async def slowly(n: int) -> None:
        data = zip_of({"SKILL.md": skill_md(name=f"slow-{n}"), "main.py": MAIN})

        async def messages() -> AsyncIterator[UploadSkillRequest]:
            step = len(data) // 10 + 1
            for start in range(0, len(data), step):
                yield UploadSkillRequest(chunk=data[start : start + step])
                await asyncio.sleep(0.05)

        await caller.skills.UploadSkill(messages(), metadata=caller.metadata)

    started = time.perf_counter()
    await asyncio.gather(*(slowly(n) for n in range(8)))
    assert time.perf_counter() - started < 3
    assert len(await versions(caller)) == 8


async def test_checking_an_archive_does_not_block_the_event_loop(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server shares this loop, whose thread must not be the one that checks."""
    threads = []

    def check(file: IO[bytes], limits: Limits) -> ValidatedSkill:
        threads.append(threading.current_thread())
        return validate_archive(file, limits)

    monkeypatch.setattr(upload_skill, "validate_archive", check)
    await caller.upload(skill_zip())
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()
