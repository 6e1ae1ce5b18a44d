"""Bad input: over REST and gRPC the same typed error, and nothing stored, run or left."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import grpc
import httpx
import pytest
from google.protobuf.message import Message

from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionRequest,
    ListExecutionsRequest,
    RunSkillRequest,
    SkillRun,
)
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from skillbox.registry.v1.skill_service_pb2 import UploadSkillRequest
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub
from tests.e2e import skills
from tests.e2e.stack import Client
from tests.support.failures import Failure, failure

pytestmark = pytest.mark.usefixtures("single_use")


def front_matter(*lines: str, **fields: str) -> bytes:
    """Returns a skill whose front matter is valid but for `fields` and `lines`."""
    values = {"name": "bad", "description": "For a test.", **fields}
    head = "\n".join([*(f"{name}: {value}" for name, value in values.items() if value), *lines])
    return skills.archive({"SKILL.md": f"---\n{head}\n---\nText.\n", "main.py": "print(1)"})


@dataclass(frozen=True)
class Upload:
    """An archive that is refused, and what the message has to say."""

    archive: bytes
    says: tuple[str, ...]


UPLOADS = {
    "no zip": Upload(b"hello", ("zip",)),
    "half a zip": Upload(skills.PYTHON[: len(skills.PYTHON) // 2], ("zip",)),
    "no SKILL.md": Upload(skills.archive({"main.py": "print(1)"}), ("SKILL.md",)),
    "no front matter": Upload(skills.archive({"SKILL.md": "text"}), ("SKILL.md line 1", "---")),
    "front matter that is no YAML": Upload(
        skills.archive({"SKILL.md": "---\na: [\n---\n"}), ("YAML",)
    ),
    "path out of the archive": Upload(
        skills.archive({"SKILL.md": "", "../evil.py": ""}), ("../evil.py",)
    ),
    "no name": Upload(front_matter(name=""), ("name",)),
    "name": Upload(front_matter(name="a/b"), ("name", "a/b")),
    "no description": Upload(front_matter(description=""), ("description",)),
    "version that YAML reads as a number": Upload(
        front_matter(version="1.0"), ("version", "1.0", "quote")
    ),
    "version": Upload(front_matter(version='"1.x"'), ("version", "1.x")),
    "duration": Upload(front_matter(timeout="soon"), ("timeout", "soon")),
    "size": Upload(front_matter("resources: {memory: lots}"), ("resources.memory", "lots")),
    "size over the limit": Upload(
        front_matter("resources: {memory: 64Gi}"), ("resources.memory", "64Gi")
    ),
    "cpu": Upload(front_matter("resources: {cpu: -1}"), ("resources.cpu", "-1")),
    "language": Upload(front_matter(lang="ruby"), ("lang", "ruby")),
    "several": Upload(
        front_matter(name="a/b", timeout="soon", lang="ruby"), ("a/b", "soon", "ruby")
    ),
}


@pytest.fixture(autouse=True)
async def nothing_stored(client: Client) -> AsyncIterator[None]:
    """Fails when a test changes what is stored."""

    async def stored() -> list[object]:
        async with client.http() as http:
            return [(await http.get(path)).json() for path in ("/v1/skills", "/v1/executions")]

    before = await stored()
    yield
    assert await stored() == before


def check_rest(reply: httpx.Response, status: int, code: str, says: tuple[str, ...]) -> str:
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert set(body) == {"error", "message"}
    assert body["error"] == code
    for text in says:
        assert text in body["message"]
    assert "Traceback" not in reply.text
    return str(body["message"])


@pytest.mark.parametrize("name", UPLOADS)
async def test_upload(client: Client, name: str) -> None:
    upload = UPLOADS[name]
    async with client.http() as http:
        reply = await http.post(
            "/v1/skills", content=upload.archive, headers={"Content-Type": "application/zip"}
        )
    message = check_rest(reply, 400, "invalid_skill", upload.says)

    async def chunks() -> AsyncIterator[UploadSkillRequest]:
        yield UploadSkillRequest(chunk=upload.archive)

    async with client.channel() as channel:
        call = SkillServiceStub(channel).UploadSkill(chunks(), metadata=client.metadata)
        assert await failure(call) == Failure(
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_SKILL", message
        )


@dataclass(frozen=True)
class Call:
    """The same bad call over REST and gRPC."""

    rpc: str
    request: Message
    method: str
    path: str
    body: object
    status: int
    code: grpc.StatusCode
    reason: str
    message: str


def refused_run(run: SkillRun, message: str) -> Call:
    """Returns a run that is refused before anything is stored."""
    return Call(
        rpc="RunSkill",
        request=RunSkillRequest(run=run),
        method="POST",
        path="/v1/executions",
        body={"skill": run.skill, "entrypoint": run.entrypoint, "args": list(run.args)},
        status=400,
        code=grpc.StatusCode.INVALID_ARGUMENT,
        reason="INVALID_ARGUMENT",
        message=message,
    )


def refused_list(query: str, request: ListExecutionsRequest, message: str) -> Call:
    return Call(
        rpc="ListExecutions",
        request=request,
        method="GET",
        path=f"/v1/executions?{query}",
        body=None,
        status=400,
        code=grpc.StatusCode.INVALID_ARGUMENT,
        reason="INVALID_ARGUMENT",
        message=message,
    )


def unknown_id(id_: str) -> Call:
    return Call(
        rpc="GetExecution",
        request=GetExecutionRequest(id=id_),
        method="GET",
        path=f"/v1/executions/{id_}",
        body=None,
        status=404,
        code=grpc.StatusCode.NOT_FOUND,
        reason="EXECUTION_NOT_FOUND",
        message="execution not found",
    )


CALLS = {
    "unknown skill": replace(
        refused_run(SkillRun(skill="none"), "skill not found: none@latest"),
        status=404,
        code=grpc.StatusCode.NOT_FOUND,
        reason="SKILL_NOT_FOUND",
    ),
    "entry point outside": refused_run(
        SkillRun(skill="x", entrypoint="../x"),
        "entrypoint: '../x' is not valid: expected a path inside the archive",
    ),
    "too many arguments": refused_run(
        SkillRun(skill="x", args=["a"] * 257), "args: 257 arguments: expected 256 at most"
    ),
    "NUL in an argument": refused_run(
        SkillRun(skill="x", args=["a\0"]),
        "args[0]: expected text without NUL of 65536 bytes at most",
    ),
    "negative page size": refused_list(
        "page_size=-1",
        ListExecutionsRequest(page_size=-1),
        "page_size: -1 is not valid: expected a number from 0 to 1000",
    ),
    "page token": refused_list(
        "page_token=zzz",
        ListExecutionsRequest(page_token="zzz"),
        "page_token: 'zzz' is not valid: expected the next_page_token of the page before",
    ),
    "id that is no UUID": unknown_id("not-a-uuid"),
    "unknown id": unknown_id("6f1b0c1e-5d0c-4e0e-9c1c-5a0e0b0e0b0e"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_call(client: Client, name: str) -> None:
    call = CALLS[name]
    async with client.http() as http:
        reply = await http.request(call.method, call.path, json=call.body)
    rest_code = "bad_request" if call.status == 400 else "not_found"
    assert check_rest(reply, call.status, rest_code, ()) == call.message
    async with client.channel() as channel:
        rpc = getattr(ExecutionServiceStub(channel), call.rpc)
        got = await failure(rpc(call.request, metadata=client.metadata))
    assert got == Failure(call.code, call.reason, call.message)


BODIES = {
    b"": "invalid JSON body: ",
    b"{": "invalid JSON body: ",
    b"[]": "invalid JSON body: ",
    b"\xff": "invalid JSON body: ",
    b'{"skill":1}': "invalid JSON body: ",
    b'{"skill":"x","env":{"A":1}}': "invalid JSON body: ",
    b'{"skill":"x","input":NaN}': "invalid JSON body: ",
    b"{}": "'skill' is required",
    b'{"skill":""}': "'skill' is required",
}


@pytest.mark.parametrize("body", BODIES)
async def test_body(client: Client, body: bytes) -> None:
    async with client.http() as http:
        reply = await http.post("/v1/executions", content=body)
    assert check_rest(reply, 400, "bad_request", ()).startswith(BODIES[body])


PATHS = {
    "/v1/nothing": (404, "not_found"),
    "/v1/executions?what=1": (400, "bad_request"),
    "/v1/executions?page_size=abc": (400, "bad_request"),
    "/v1/executions?status=nonsense": (400, "bad_request"),
    "/v1/executions/not-a-uuid/logs": (404, "not_found"),
    "/v1/executions/not-a-uuid/events": (404, "not_found"),
    "/v1/skills/a%20b/latest": (404, "not_found"),
    "/v1/skills/none/1.x": (404, "not_found"),
}


@pytest.mark.parametrize("path", PATHS)
async def test_path(client: Client, path: str) -> None:
    async with client.http() as http:
        check_rest(await http.get(path), *PATHS[path], ())


async def test_input_that_is_no_json_over_grpc(client: Client) -> None:
    async with client.channel() as channel:
        request = RunSkillRequest(run=SkillRun(skill="x", input_json="{"))
        got = await failure(
            ExecutionServiceStub(channel).RunSkill(request, metadata=client.metadata)
        )
    assert got.code is grpc.StatusCode.INVALID_ARGUMENT
    assert got.message.startswith("input_json: not valid JSON: ")
