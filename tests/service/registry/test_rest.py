"""The REST bindings, called as the gateway calls them."""

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from skillbox.registry.v1.skill_rest_pb2 import DownloadSkillRestRequest, ListSkillsRestRequest
from skillbox.registry.v1.skill_rest_pb2_grpc import SkillRestServiceStub
from skillbox.registry.v1.skill_service_pb2 import DeleteSkillRequest
from tests.service.registry.running import Caller, Registry, Reply, run_registry
from tests.support import parts
from tests.support.failures import failure
from tests.unit.registry.forms import CONTENT_TYPE, form, part
from tests.unit.registry.zips import skill_zip, zip_of

CREATED = Reply(
    201,
    {"name": "demo", "version": "1.0.0", "description": "Shows something.", "lang": "python"},
)


def split(content: bytes, step: int) -> list[bytes]:
    return [content[start : start + step] for start in range(0, len(content), step)]


async def list_body(caller: Caller) -> bytes:
    reply = await caller.rest.ListSkillsRest(ListSkillsRestRequest(), metadata=caller.metadata)
    assert reply.content_type == "application/json"
    return bytes(reply.data)


@pytest.mark.parametrize("content_type", ["application/zip", "application/octet-stream; x=y"])
@pytest.mark.parametrize("step", [17, 100_000])
async def test_a_bare_archive(caller: Caller, content_type: str, step: int) -> None:
    assert await caller.post(split(skill_zip(), step), content_type) == CREATED
    assert await caller.download("demo") == skill_zip()


@pytest.mark.parametrize("step", [1, 13, 64, 100_000])
async def test_a_form_however_it_is_split(caller: Caller, step: int) -> None:
    content = form(part("name", b"demo"), part("file", skill_zip(), filename="demo.zip"))
    assert await caller.post(split(content, step), CONTENT_TYPE) == CREATED
    assert await caller.download("demo") == skill_zip()


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code", "message"),
    [
        (skill_zip(), "text/plain", 415, "unsupported_media_type", "'text/plain'"),
        (skill_zip(), "", 415, "unsupported_media_type", "application/zip"),
        (skill_zip(), "multipart/form-data", 400, "bad_request", "boundary"),
        (b"", "application/zip", 400, "bad_request", "empty"),
        (form(part("other", skill_zip())), CONTENT_TYPE, 400, "bad_request", "'file'"),
        (form(part("file", b"")), CONTENT_TYPE, 400, "bad_request", "'file'"),
        (b"", CONTENT_TYPE, 400, "bad_request", "'file'"),
        (b"no form", CONTENT_TYPE, 400, "bad_request", "not valid multipart"),
        (b"no zip", "application/zip", 400, "invalid_skill", "not a zip archive"),
        (zip_of({"main.py": ""}), "application/zip", 400, "invalid_skill", "no SKILL.md"),
        (
            form(part("file", skill_zip()), part("version", b"9.0.0")),
            CONTENT_TYPE,
            400,
            "invalid_skill",
            "version: the upload says '9.0.0' but SKILL.md says '1.0.0'",
        ),
    ],
)
async def test_a_refused_upload(
    caller: Caller, content: bytes, content_type: str, status: int, code: str, message: str
) -> None:
    reply = await caller.post([content] if content else [], content_type)
    assert (reply.status, reply.body["error"]) == (status, code)
    assert message in reply.body["message"]
    assert await list_body(caller) == b"[]"


async def test_an_upload_that_is_too_large_is_refused_before_it_ends(
    registry_dsn: str, registry_s3: parts.S3
) -> None:
    async with run_registry(registry_dsn, registry_s3, max_skill_size="1Mi") as registry:
        caller = registry.caller()
        reply = await caller.post([b"x" * 600_000, b"x" * 600_000])
        assert (reply.status, reply.body["error"]) == (413, "too_large")
        sent = 0

        async def endless() -> AsyncIterator[HttpBody]:
            nonlocal sent
            yield HttpBody(content_type="application/zip")
            while True:
                sent += 1
                yield HttpBody(data=b"x" * 100_000)
                # A client that never pauses may miss why it was refused: gRPC resets the stream.
                await asyncio.sleep(0.005)

        refused = await failure(caller.rest.UploadSkillRest(endless(), metadata=caller.metadata))
        assert refused.reason == "SKILL_TOO_LARGE"
        assert sent < 1000


async def test_nobody_unknown_is_listened_to(registry: Registry) -> None:
    """The refusal comes while the caller has not sent a byte of the body."""
    rest = SkillRestServiceStub(registry.channel)
    never = asyncio.Event()

    async def silent() -> AsyncIterator[HttpBody]:
        await never.wait()
        yield HttpBody()

    for metadata, message in (
        ((), "missing Authorization header"),
        ((("authorization", "Bearer nobody"),), "invalid or revoked API key"),
    ):
        refused = await failure(rest.UploadSkillRest(silent(), metadata=metadata, timeout=5))
        assert (refused.code, refused.message) == (grpc.StatusCode.UNAUTHENTICATED, message)


async def test_the_list_is_a_compact_array_in_order(caller: Caller) -> None:
    assert await list_body(caller) == b"[]"
    for name, version in (("b", "1.0.0"), ("a", "1.10.0"), ("a", "1.9.0")):
        await caller.upload(skill_zip(name=name, version=version))
    body = await list_body(caller)
    assert body.startswith(b'[{"name":"a","version":"1.9.0","description":"Shows something."')
    assert [f"{skill['name']}@{skill['version']}" for skill in json.loads(body)] == [
        "a@1.9.0",
        "a@1.10.0",
        "b@1.0.0",
    ]
    assert list(json.loads(body)[0]) == ["name", "version", "description", "lang"]


async def test_the_list_is_complete(caller: Caller, registry: Registry) -> None:
    await registry.pool.execute(
        """
        INSERT INTO skill_versions
        SELECT $1, 'skill', '1.0.' || n, lpad(n::text, 5, '0'), true, 'd', '', '', '', '', '', '',
               '', '', '', '', repeat('0', 64), 1
        FROM generate_series(1, 1500) AS n
        """,
        caller.tenant,
    )
    assert len(json.loads(await list_body(caller))) == 1500


async def test_a_deletion_replies_204(caller: Caller) -> None:
    await caller.upload(skill_zip())
    call = caller.skills.DeleteSkill(
        DeleteSkillRequest(name="demo", version="1.0.0"), metadata=caller.metadata
    )
    await call
    assert ("x-http-code", "204") in tuple(await call.initial_metadata())


async def test_a_download(caller: Caller) -> None:
    content = zip_of({"SKILL.md": skill_zip_md(), "data": bytes(range(256)) * 4000}, compression=0)
    await caller.upload(content)
    stream = caller.rest.DownloadSkillRest(
        DownloadSkillRestRequest(name="demo", version="latest"), metadata=caller.metadata
    )
    pieces = [piece async for piece in stream]
    assert pieces[0].content_type == "application/zip"
    assert max(len(piece.data) for piece in pieces) <= 256 * 1024
    assert b"".join(piece.data for piece in pieces) == content


def skill_zip_md() -> str:
    return "---\nname: demo\ndescription: Shows something.\n---\n"
