"""The server in front of a gRPC server of the test."""

import io
import tarfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import grpc
import pytest
from mcp import Client, MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, ResourceLink, TextContent

from skillbox.executor.v1 import execution_pb2
from skillbox.executor.v1.execution_service_pb2 import (
    ListExecutionsResponse,
    RunSkillStreamResponse,
)
from skillbox.mcp import SkillServer, Upstream, files
from skillbox.registry.v1 import skill_pb2
from skillbox.registry.v1.skill_service_pb2 import ListSkillsResponse
from tests.unit.aio.fake_server import refuse, serve
from tests.unit.sdk.archives import HOSTILE, entry
from tests.unit.sdk.archives import archive as hello
from tests.unit.sdk.fake_server import Reply
from tests.unit.sdk.fake_server import serve as serve_http

ID = "0b6a2b0e-6a55-4b4e-9a4e-3a6cf2f5a001"
SUCCESS = execution_pb2.EXECUTION_STATUS_SUCCESS


def client(url: str) -> Client:
    return Client(SkillServer(Upstream(url, "sk-a")).build())


def skill(name: str = "echo", **members: Any) -> skill_pb2.Skill:
    return skill_pb2.Skill(name=name, version="1.0.0", description="Does it.", **members)


async def get_skill(request: Any, _: Any) -> skill_pb2.Skill:
    return skill(request.name, mode="instructions" if request.name == "guide" else "executable")


async def list_skills(_: Any, __: Any) -> ListSkillsResponse:
    names = ("echo", "echo", "guide")
    return ListSkillsResponse(skills=[skill_pb2.SkillSummary(name=name) for name in names])


def running(**members: Any) -> Any:
    """Returns a method that ends a run at once."""

    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        execution = execution_pb2.Execution(**{"id": ID, "status": SUCCESS, **members})
        yield RunSkillStreamResponse(execution=execution)

    return run


def serving(run: Any) -> AbstractAsyncContextManager[str]:
    return serve(ListSkills=list_skills, GetSkill=get_skill, RunSkillStream=run)


async def test_instructions_alone_are_no_tool() -> None:
    async with serve(ListSkills=list_skills, GetSkill=get_skill) as url, client(url) as mcp:
        [tool] = (await mcp.list_tools()).tools
    assert (tool.name, tool.description, tool.output_schema) == ("echo", "Does it.", None)


async def test_output_that_is_no_object_is_text() -> None:
    async with serving(running(output_json="[1]")) as url, client(url) as mcp:
        result = await mcp.call_tool("echo", {})
    assert result.structured_content is None
    assert result.content == [TextContent(text="[\n  1\n]")]
    assert (result.meta or {})["skillbox/execution_id"] == ID


async def test_links_have_an_end() -> None:
    names = [f"{number}.txt" for number in range(files.MAX_LINKS + 1)]
    async with serving(running(files_list=names)) as url, client(url) as mcp:
        result = await mcp.call_tool("echo", {})
    assert sum(isinstance(item, ResourceLink) for item in result.content) == files.MAX_LINKS
    assert result.content[-1] == TextContent(text=f"{len(names)} files in all")


async def test_a_refused_call_is_for_the_model_to_read() -> None:
    async def run(_: Any, context: Any) -> AsyncIterator[RunSkillStreamResponse]:
        await refuse(context, grpc.StatusCode.PERMISSION_DENIED, reason="SCOPE_MISSING")
        yield RunSkillStreamResponse()

    async with serving(run) as url, client(url) as mcp:
        result = await mcp.call_tool("echo", {})
    assert result.is_error
    assert result.content == [TextContent(text="Error: skillbox: 403 forbidden: no")]


async def test_refused_lists_are_errors() -> None:
    async def no(_: Any, context: Any) -> None:
        await refuse(context, grpc.StatusCode.UNAUTHENTICATED, reason="UNAUTHENTICATED")

    async with (
        serve(ListSkills=no, ListExecutions=no, GetExecution=no) as url,
        client(url) as mcp,
    ):
        for call in (
            mcp.list_tools(),
            mcp.list_resources(),
            mcp.read_resource(f"skillbox://executions/{ID}/files/a"),
        ):
            with pytest.raises(MCPError, match="401 unauthorized") as caught:
                await call
            assert caught.value.code == INTERNAL_ERROR


def archive(**content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_files_are_not_read(hostile: tarfile.TarInfo) -> None:
    with serve_http() as store:
        store.on("GET /files.tar.gz", Reply(body=hello(entry("good.txt"), hostile)))

        async def get(_: Any, __: Any) -> execution_pb2.Execution:
            return execution_pb2.Execution(
                id=ID,
                status=SUCCESS,
                files_url=f"{store.url}/files.tar.gz",
                files_list=["good.txt", hostile.name],
            )

        async with serve(GetExecution=get) as url, client(url) as mcp:
            with pytest.raises(MCPError, match=r"skillbox: .* in tar entry: ") as caught:
                await mcp.read_resource(f"skillbox://executions/{ID}/files/good.txt")
            assert caught.value.code == INTERNAL_ERROR


async def test_a_file_that_is_too_large_is_refused() -> None:
    with serve_http() as store:
        large = b"x" * (files.MAX_BYTES + 1)
        store.on("GET /files.tar.gz", Reply(body=archive(large=large, fits=large[:-1])))

        async def get(_: Any, __: Any) -> execution_pb2.Execution:
            return execution_pb2.Execution(
                id=ID,
                status=SUCCESS,
                files_url=f"{store.url}/files.tar.gz",
                files_list=["large", "fits", "missing", "../outside"],
            )

        async def list_(_: Any, __: Any) -> ListExecutionsResponse:
            return ListExecutionsResponse(executions=[await get(None, None)])

        async with serve(GetExecution=get, ListExecutions=list_) as url, client(url) as mcp:
            assert len((await mcp.list_resources()).resources) == 4
            base = f"skillbox://executions/{ID}/files/"
            assert (await mcp.read_resource(f"{base}fits")).contents
            with pytest.raises(MCPError, match="larger than") as caught:
                await mcp.read_resource(f"{base}large")
            assert caught.value.code == INVALID_PARAMS
            for name in ("missing", "../outside", "%2E%2E/outside"):
                with pytest.raises(MCPError, match="Unknown resource"):
                    await mcp.read_resource(base + name)
