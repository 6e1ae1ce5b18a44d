"""What the Registry says of the packages that a skill asks for."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from skillbox.registry.v1.skill_pb2 import Skill
from skillbox.registry.v1.skill_service_pb2 import GetSkillRequest
from skillbox_common.errors import DependencyUnavailable
from skillbox_common.principal import Principal, Scope
from skillbox_registry.commands.prepare_dependencies import PrepareDependencies, Reports
from skillbox_registry.skill import Dependencies, SkillSpec, StoredSkill
from skillbox_registry.store.dependencies import PostgresDependencyReports
from tests.e2e.waiting import until
from tests.service.registry.running import Caller, Installer, run_registry
from tests.support import parts
from tests.unit.registry.zips import MAIN, skill_md, zip_of


def archive(file: str = "requirements.txt", script: str = "scripts/main.py") -> bytes:
    """Returns a skill of its own: what is known of packages belongs to the bytes."""
    return zip_of({"SKILL.md": skill_md(), script: MAIN, file: "greeting", "n": uuid.uuid4().hex})


@asynccontextmanager
async def with_installer(dsn: str, s3: parts.S3) -> AsyncIterator[tuple[Caller, Installer]]:
    installer = Installer()
    async with run_registry(dsn, s3, installer) as registry:
        yield registry.caller(), installer


async def found(caller: Caller) -> Skill:
    return await caller.skills.GetSkill(GetSkillRequest(name="demo"), metadata=caller.metadata)


async def settled(caller: Caller, status: str) -> Dependencies:
    async def reached() -> bool:
        return (await found(caller)).dependencies.status == status

    await until(reached)
    skill = await found(caller)
    return Dependencies(skill.dependencies.status, skill.dependencies.error)


async def test_an_upload_does_not_wait_for_packages(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with with_installer(registry_dsn, registry_s3) as (caller, installer):
        uploaded = (await caller.upload(archive())).skill
        assert uploaded.dependencies.status == "pending"
        assert await settled(caller, "pending")
        installer.go.set()
        assert await settled(caller, "ready") == Dependencies("ready")
        [(token, stored)] = installer.asked
        assert bytes.fromhex(token).decode().split()[0] == caller.tenant
        assert (stored.digest, stored.spec.lang) == (uploaded.digest, "python")


async def test_why_they_failed_is_kept_until_another_upload(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with with_installer(registry_dsn, registry_s3) as (caller, installer):
        installer.go.set()
        installer.result = Dependencies("failed", "no such package\0")
        content = archive()
        assert (await caller.post([content])).status == 201
        assert await settled(caller, "failed") == Dependencies("failed", "no such package")
        installer.result = Dependencies("ready")
        await caller.upload(content)
        await settled(caller, "ready")


async def test_an_upload_does_not_fail_because_of_packages(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with with_installer(registry_dsn, registry_s3) as (caller, installer):
        installer.go.set()
        installer.result = DependencyUnavailable("the Executor does not install packages")
        await caller.upload(archive())

        async def asked() -> bool:
            return bool(installer.asked)

        await until(asked)
        assert (await found(caller)).dependencies.status == "pending"


@pytest.mark.parametrize(
    ("content", "asks"),
    [
        (zip_of({"SKILL.md": skill_md(), "main.py": MAIN}), False),
        (archive("scripts/requirements.txt"), True),
        (archive("docs/requirements.txt"), False),
        (archive("package.json"), False),
        (archive("package.json", "main.js"), True),
        (archive("requirements.txt", "main.sh"), False),
    ],
)
async def test_only_who_asks_has_dependencies(
    registry_dsn: str, registry_s3: parts.S3, content: bytes, asks: bool
) -> None:
    async with with_installer(registry_dsn, registry_s3) as (caller, installer):
        skill = (await caller.upload(content)).skill
        assert skill.HasField("dependencies") is asks
        assert (await found(caller)).HasField("dependencies") is asks
        assert asks or not installer.asked


async def test_who_asks_for_nothing_after_all_has_none(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with with_installer(registry_dsn, registry_s3) as (caller, installer):
        installer.go.set()
        installer.result = Dependencies("none")
        await caller.upload(archive())

        async def gone() -> bool:
            return not (await found(caller)).HasField("dependencies")

        await until(gone)


@pytest.fixture
async def reports(registry_dsn: str, registry_s3: parts.S3) -> AsyncIterator[Reports]:
    """Reports that are given up when nobody has touched them for half a second."""
    async with run_registry(registry_dsn, registry_s3) as registry:
        yield PostgresDependencyReports(registry.pool, lease_s=0.5)


def version() -> StoredSkill:
    """Returns a version that asks for packages and is nowhere yet."""
    texts = dict.fromkeys((field.name for field in fields(SkillSpec)), "")
    spec = SkillSpec(**{**texts, "lang": "python", "packages": "requirements.txt"})
    now = datetime.now(UTC)
    return StoredSkill(spec, uuid.uuid4().hex * 2, 1, now, now)


def key(*scopes: Scope) -> Principal:
    return Principal("key", "tenant", frozenset(scopes), "token")


WRITER, READER = key(Scope.SKILLS_WRITE), key(Scope.SKILLS_READ)


async def shows(prepare: PrepareDependencies, stored: StoredSkill, status: str) -> None:
    async def reached() -> bool:
        found = await prepare.show(READER, stored)
        return found is not None and found.status == status

    await until(reached)


async def test_who_is_at_it_says_so(reports: Reports) -> None:
    installer, stored = Installer(), version()
    prepare = PrepareDependencies(reports, installer, beat_s=0.1)
    prepare.start(WRITER, stored)
    await shows(prepare, stored, "pending")
    for _ in range(8):
        await asyncio.sleep(0.1)
        assert await prepare.show(READER, stored) == Dependencies("pending")
    installer.go.set()
    await shows(prepare, stored, "ready")


async def test_what_nobody_is_at_any_more_begins_again(reports: Reports) -> None:
    stored = version()
    dead = PrepareDependencies(reports, Installer(), beat_s=0.1)
    dead.start(WRITER, stored)
    await shows(dead, stored, "pending")
    await dead.close()  # It says nothing more, as after a kill.

    installer = Installer()
    other = PrepareDependencies(reports, installer)
    await shows(other, stored, "failed")
    said = await other.show(READER, stored)
    assert said is not None
    assert "a service stopped before they were installed" in said.error
    assert not installer.asked, "who may only read begins nothing"

    assert await other.show(WRITER, stored) == Dependencies("pending")
    await shows(other, stored, "pending")
    installer.go.set()
    await shows(other, stored, "ready")
    assert len(installer.asked) == 1


async def test_an_executor_that_went_away_is_asked_again(reports: Reports) -> None:
    stored, installer = version(), Installer()
    installer.go.set()
    installer.result = DependencyUnavailable("the Executor does not install packages")
    prepare = PrepareDependencies(reports, installer, beat_s=0.1, pauses_s=[0.05] * 100)
    prepare.start(WRITER, stored)

    async def asked() -> bool:
        return len(installer.asked) > 2

    await until(asked)
    assert await prepare.show(READER, stored) == Dependencies("pending")
    installer.result = Dependencies("ready")
    await shows(prepare, stored, "ready")


async def test_an_executor_that_stays_away_is_not_waited_for_forever(reports: Reports) -> None:
    stored, installer = version(), Installer()
    installer.go.set()
    installer.result = DependencyUnavailable("the Executor does not install packages")
    prepare = PrepareDependencies(reports, installer, beat_s=0.1, pauses_s=[0.05, 0.05])
    prepare.start(WRITER, stored)
    await shows(prepare, stored, "failed")
    assert len(installer.asked) == 3
