"""The official MCP client with `skillbox mcp` in front of the live stack."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client as Mcp
from mcp import MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import (
    BlobResourceContents,
    LoggingMessageNotificationParams,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from tests.e2e import skills
from tests.e2e.stack import API_KEY, SKILLBOX, Client, environment
from tests.e2e.waiting import until

# Leaves a file that is no text, and one in a folder with a name that an address must quote.
LEAVER = skills.skill(
    "leaver",
    "main.py",
    "import os, pathlib\n"
    "files = pathlib.Path(os.environ['SANDBOX_FILES_DIR'])\n"
    "(files / 'raw.bin').write_bytes(bytes(range(256)))\n"
    "(files / 'a b').mkdir()\n"
    "(files / 'a b' / 'grün?.txt').write_text('hello')\n",
)


@contextmanager
def serve_http(live: Client, *options: str, key: str = API_KEY) -> Iterator[str]:
    """Runs a server; yields its URL."""
    process = subprocess.Popen(
        [SKILLBOX, "mcp", "--transport", "http", "--port", "0", *options],
        env=environment({**live.env, "SKILLBOX_API_KEY": key}),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        yield found[0]
    finally:
        process.terminate()
        _, rest = process.communicate(timeout=30)
    assert "Traceback" not in rest


@pytest.fixture(scope="module")
def http_url(live: Client) -> Iterator[str]:
    with serve_http(live) as url:
        yield url


@pytest.fixture(params=["stdio", "http"])
def server(live: Client, request: pytest.FixtureRequest) -> StdioServerParameters | str:
    if request.param == "http":
        return str(request.getfixturevalue("http_url"))
    return stdio(live.env)


def stdio(env: Mapping[str, str]) -> StdioServerParameters:
    return StdioServerParameters(command=str(SKILLBOX), args=["mcp"], env=environment(env))


def text_of(content: Any) -> str:
    assert isinstance(content, TextContent)
    return content.text


async def test_a_skill_is_a_tool(server: Any) -> None:
    await check_tool(server, "auto")


async def test_a_skill_is_a_tool_in_the_protocol_before(http_url: str) -> None:
    await check_tool(http_url, "legacy")


async def check_tool(server: Any, mode: str) -> None:
    logs: list[LoggingMessageNotificationParams] = []
    heard: list[tuple[float, float | None, str | None]] = []

    async def log(params: LoggingMessageNotificationParams) -> None:
        logs.append(params)

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with Mcp(server, mode=mode, logging_callback=log, log_level="info") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        counter = tools["word-counter"]
        assert counter.input_schema["required"] == ["text"]
        assert (counter.description or "").startswith("Counts words, characters,")
        assert list(tools["data-analysis"].input_schema["properties"]) == ["input"]

        result = await client.call_tool("slow-count", {}, progress_callback=note)
        assert not result.is_error
        assert result.structured_content == {"counted": 3}
        assert text_of(result.content[0]) == '{\n  "counted": 3\n}'
    messages = [text for _, _, text in heard]
    assert heard == [(number, None, text) for number, text in enumerate(messages, 1)]
    assert (messages[:2], messages[-2:]) == (["queued", "started"], ["3", "finished"])
    # Of lines that came as one, because nobody read meanwhile, the last one is told.
    assert messages[2:-1] in (["1", "2", "3"], ["1", "3"], ["2", "3"], ["3"])
    assert "".join(str(message.data) for message in logs) == "1\n2\n3\n"
    assert {(message.level, message.logger) for message in logs} == {("info", "slow-count")}


async def test_files_are_resources(live: Client, http_url: str) -> None:
    await live.push(LEAVER)
    async with Mcp(http_url) as client:
        result = await client.call_tool("leaver", {})
        links = {item.name: item for item in result.content if isinstance(item, ResourceLink)}
        assert set(links) == {"raw.bin", "a b/grün?.txt"}
        [text] = (await client.read_resource(links["a b/grün?.txt"].uri)).contents
        assert isinstance(text, TextResourceContents)
        assert (text.text, text.mime_type) == ("hello", "text/plain")
        [blob] = (await client.read_resource(links["raw.bin"].uri)).contents
        assert isinstance(blob, BlobResourceContents)

        listed = {item.uri for item in (await client.list_resources()).resources}
        assert {link.uri for link in links.values()} <= listed
        [template] = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "skillbox://executions/{execution_id}/files/{+path}"

        base = links["raw.bin"].uri.removesuffix("raw.bin")
        for uri in (
            f"{base}other",
            f"{base}../../x",
            "skillbox://executions/x/files/y",
            "file:///",
        ):
            with pytest.raises(MCPError, match="Unknown resource"):
                await client.read_resource(uri)


async def test_failures_are_for_the_model_to_read(http_url: str) -> None:
    async with Mcp(http_url) as client:
        result = await client.call_tool("exit-code", {"code": 3})
        assert result.is_error
        assert text_of(result.content[0]) == "Error: container exited with code 3"
        assert text_of(result.content[-1]) == "Log:\nEnding with exit code 3\n"
        result = await client.call_tool("word-counter", {"txt": 1})
        assert result.is_error
        assert text_of(result.content[0]).startswith("Error: input does not satisfy")
        with pytest.raises(MCPError, match="Unknown tool: no-such-skill"):
            await client.call_tool("no-such-skill", {})


async def test_leaving_cancels_the_run(live: Client, server: Any) -> None:
    await live.push(skills.SLEEPER)
    async with Mcp(server) as client:
        task = asyncio.create_task(client.call_tool("sleeper", {}))

        async def runs() -> bool:
            return bool(await live.running("sleeper"))

        await until(runs)
        id_ = await live.running("sleeper")
        task.cancel()

        async def cancelled() -> bool:
            return bool((await live.record(id_))["status"] == "cancelled")

        await until(cancelled)


async def test_the_older_protocol_chooses_its_level(http_url: str) -> None:
    logs: list[str] = []

    async def log(params: LoggingMessageNotificationParams) -> None:
        logs.append(str(params.data))

    async with Mcp(http_url, mode="legacy", logging_callback=log) as client:
        with pytest.warns(UserWarning, match="deprecated"):
            await client.set_logging_level("error")
        await client.call_tool("exit-code", {})
        with pytest.warns(UserWarning, match="deprecated"):
            await client.set_logging_level("warning")
        await client.call_tool("exit-code", {})
    assert "".join(logs) == "Ending with exit code 1\n"


@asynccontextmanager
async def with_key(url: str, key: str) -> AsyncIterator[Mcp]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Mcp(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


async def test_over_http_a_caller_may_bring_a_key(http_url: str) -> None:
    async with with_key(http_url, "sk-wrong") as client:
        with pytest.raises(MCPError, match="401 unauthorized"):
            await client.list_tools()


async def test_elsewhere_a_caller_must_bring_a_key(live: Client) -> None:
    with serve_http(live, "--host", "0.0.0.0") as address:
        url = address.replace("0.0.0.0", "127.0.0.1")
        async with httpx2.AsyncClient(trust_env=False) as http:
            reply = await http.post(url, json={})
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
        async with with_key(url, API_KEY) as client:
            assert (await client.list_tools()).tools


async def test_a_page_of_another_site_cannot_call(http_url: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            reply = await http.post(http_url, json={}, headers=headers)
            assert reply.status_code in (403, 421), headers


def test_an_address_in_use_is_an_error(live: Client, http_url: str) -> None:
    port = http_url.split(":")[2].partition("/")[0]
    done = live.cli("mcp", "--transport", "http", "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Address already in use")


async def test_without_a_key_there_is_a_hint(live: Client) -> None:
    async with Mcp(stdio({"SKILLBOX_SERVER_URL": live.url})) as client:
        with pytest.raises(MCPError, match="set SKILLBOX_API_KEY"):
            await client.list_tools()
