"""The files in the archive of a version, over gRPC and as the gateway asks for them."""

import zipfile

import grpc
import pytest

from skillbox.registry.v1.skill_rest_pb2 import GetSkillFileRestRequest
from skillbox.registry.v1.skill_service_pb2 import (
    GetSkillFileRequest,
    ListSkillFilesRequest,
    SkillFile,
)
from skillbox_common.principal import Scope
from tests.service.registry.running import Caller, Registry
from tests.support.failures import Failure, failure
from tests.unit.registry.zips import MAIN, skill_md, skill_zip, zip_of, zip_with_entry

LARGE = bytes(range(256)) * 3000
UMLAUT = "\u00fc" * 200_000


async def paths(caller: Caller, name: str = "demo", version: str = "") -> list[SkillFile]:
    request = ListSkillFilesRequest(name=name, version=version)
    reply = await caller.skills.ListSkillFiles(request, metadata=caller.metadata)
    return list(reply.files)


async def pieces(caller: Caller, path: str, version: str = "") -> list[bytes]:
    request = GetSkillFileRequest(name="demo", version=version, path=path)
    stream = caller.skills.GetSkillFile(request, metadata=caller.metadata)
    return [reply.chunk async for reply in stream]


async def body(caller: Caller, path: str) -> tuple[str, bytes]:
    """Returns the content type, which comes with the first piece, and the content."""
    request = GetSkillFileRestRequest(name="demo", version="latest", path=path)
    stream = caller.rest.GetSkillFileRest(request, metadata=caller.metadata)
    replies = [reply async for reply in stream]
    assert max(len(reply.data) for reply in replies) <= 256 * 1024
    return replies[0].content_type, b"".join(reply.data for reply in replies)


async def test_files_are_listed_without_the_top_folder(caller: Caller) -> None:
    await caller.upload(
        zip_of(
            {
                "top/scripts/": "",
                "top/scripts/main.py": MAIN,
                "top/SKILL.md": skill_md(),
                "__MACOSX/top/._SKILL.md": "x",
                "top/empty": "",
                "top/\u65e5.bin": LARGE,
            },
            compression=zipfile.ZIP_STORED,
        )
    )
    assert await paths(caller) == [
        SkillFile(path="SKILL.md", size_bytes=len(skill_md())),
        SkillFile(path="empty"),
        SkillFile(path="scripts/main.py", size_bytes=len(MAIN)),
        SkillFile(path="\u65e5.bin", size_bytes=len(LARGE)),
    ]
    assert b"".join(await pieces(caller, "scripts/main.py")) == MAIN.encode()
    assert b"".join(await pieces(caller, "\u65e5.bin")) == LARGE


async def test_what_can_be_executed(caller: Caller) -> None:
    info = zipfile.ZipInfo("run.sh")
    info.create_system = 3
    info.external_attr = 0o100700 << 16
    await caller.upload(zip_with_entry(info, b"true"))
    executable = {file.path: file.executable for file in await paths(caller)}
    assert executable == {"SKILL.md": False, "run.sh": True}


async def test_a_large_file_comes_in_pieces(caller: Caller) -> None:
    await caller.upload(zip_of({"SKILL.md": skill_md(), "large": LARGE}, compression=0))
    found = await pieces(caller, "large")
    assert [len(piece) for piece in found] == [262_144, 262_144, 243_712]
    assert b"".join(found) == LARGE


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"text", "text/plain; charset=utf-8"),
        (b"", "text/plain; charset=utf-8"),
        # A character lies on the border of two pieces.
        (b"x" + UMLAUT.encode(), "text/plain; charset=utf-8"),
        (b"\xff", "application/octet-stream"),
        (UMLAUT.encode()[:-1], "application/octet-stream"),
        (LARGE, "application/octet-stream"),
    ],
    ids=["text", "empty", "umlauts", "no text", "cut", "binary"],
)
async def test_the_type_is_that_of_the_whole_file(
    caller: Caller, content: bytes, content_type: str
) -> None:
    await caller.upload(zip_of({"SKILL.md": skill_md(), "file": content}, compression=0))
    assert await body(caller, "file") == (content_type, content)


async def test_latest_and_explicit_versions(caller: Caller) -> None:
    for version in ("1.0.0", "1.1.0"):
        await caller.upload(
            zip_of({"SKILL.md": skill_md(version=version), "version": version, version: ""})
        )
    for asked, expected in (("", "1.1.0"), ("latest", "1.1.0"), ("1.0.0", "1.0.0")):
        assert expected in [file.path for file in await paths(caller, version=asked)]
        assert await pieces(caller, "version", asked) == [expected.encode()]


@pytest.mark.parametrize(
    "path",
    [
        "missing",
        "scripts",
        "scripts/",
        "/SKILL.md",
        "./SKILL.md",
        "scripts/../SKILL.md",
        "../top/SKILL.md",
        "top/SKILL.md",
        "__MACOSX/x",
        "skill.md",
        "SKILL.md\0",
        "/etc/passwd",
    ],
)
async def test_only_what_is_listed_can_be_had(caller: Caller, path: str) -> None:
    await caller.upload(zip_of({"top/SKILL.md": skill_md(), "top/scripts/": "", "__MACOSX/x": "x"}))
    expected = Failure(
        grpc.StatusCode.NOT_FOUND,
        "SKILL_FILE_NOT_FOUND",
        f"skill file not found: demo@1.0.0/{path}",
    )
    assert await failure(pieces(caller, path)) == expected
    assert await failure(body(caller, path)) == expected


async def test_a_version_that_is_not_there(caller: Caller) -> None:
    await caller.upload(skill_zip())
    expected = Failure(grpc.StatusCode.NOT_FOUND, "SKILL_NOT_FOUND", "skill not found: demo@2.0.0")
    assert await failure(paths(caller, version="2.0.0")) == expected
    assert await failure(pieces(caller, "SKILL.md", "2.0.0")) == expected


async def test_what_is_required(caller: Caller) -> None:
    assert (await failure(pieces(caller, ""))).message == "'path' is required"
    assert (await failure(paths(caller, ""))).message == "'name' is required"


async def test_who_may_look(registry: Registry) -> None:
    owner, other = registry.caller(), registry.caller()
    await owner.upload(skill_zip())
    assert (await failure(paths(other))).reason == "SKILL_NOT_FOUND"
    assert (await failure(pieces(other, "SKILL.md"))).reason == "SKILL_NOT_FOUND"
    runner = registry.caller(owner.tenant, (Scope.EXECUTIONS_RUN,))
    assert (await failure(paths(runner))).reason == "SCOPE_MISSING"
    assert (await failure(pieces(runner, "SKILL.md"))).reason == "SCOPE_MISSING"
