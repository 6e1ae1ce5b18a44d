"""The toolkit in front of a server with canned replies."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from skillbox.langchain import SkillboxToolkit, build_skillbox_toolkit
from tests.unit.sdk.fake_server import FakeServer, refusal, serve

RUN = "POST /v1/executions"
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as fake:
        yield fake


def offer(server: FakeServer, *names: str, **members: Any) -> SkillboxToolkit:
    """Puts skills on the server and builds their tools."""
    server.on(
        "GET /v1/skills",
        # Two versions of each.
        [{"name": name, "version": version} for name in names for version in ("1.0.0", "2.0.0")],
    )
    for name in names:
        detail = {"name": name, "version": "2.0.0", "description": f"Does {name}.", **members}
        server.on(f"GET /v1/skills/{name}/latest", detail)
    return build_skillbox_toolkit(server.url, "sk-test")


def test_one_tool_for_each_skill(server: FakeServer) -> None:
    found = offer(server, "a", "b", instructions="# How").get_tools()
    assert [tool.name for tool in found] == ["skillbox_a", "skillbox_b"]
    assert found[0].description == "Does a.\n\n# How"


@pytest.mark.parametrize(
    ("skills", "names"),
    [
        (["data-analysis"], ["skillbox_data_analysis"]),
        (["my.skill_2"], ["skillbox_my_skill_2"]),
        (["a-b", "a.b", "a_b"], ["skillbox_a_b", "skillbox_a_b_2", "skillbox_a_b_3"]),
    ],
)
def test_names(server: FakeServer, skills: list[str], names: list[str]) -> None:
    assert [tool.name for tool in offer(server, *skills).get_tools()] == names


def test_instructions_alone_are_no_tool(server: FakeServer) -> None:
    assert offer(server, "a", mode="instructions").get_tools() == []


def test_the_schema_is_that_of_the_skill(server: FakeServer) -> None:
    [tool] = offer(server, "a", input_schema=TEXT).tools
    assert tool.args_schema == TEXT
    function = convert_to_openai_tool(tool)["function"]
    assert function["parameters"] == TEXT
    server.on(RUN, {"status": "success", "output": {"ok": True}})
    assert tool.invoke({"text": "x"}) == '{\n  "ok": true\n}'
    assert server.last.json == {"skill": "a", "version": "2.0.0", "input": {"text": "x"}}


def test_without_a_schema_there_is_one_argument(server: FakeServer) -> None:
    [tool] = offer(server, "a").tools
    parameters = convert_to_openai_tool(tool)["function"]["parameters"]
    assert list(parameters["properties"]) == ["input"]
    assert parameters["properties"]["input"]["type"] == "object"
    server.on(RUN, {"status": "success"})
    assert tool.invoke({"input": {"n": 1}}) == "null"
    assert server.last.json["input"] == {"n": 1}
    assert tool._run(input={"n": 2}) == "null"
    assert server.last.json["input"] == {"n": 2}


def test_failures_are_text(server: FakeServer) -> None:
    [tool] = offer(server, "a").tools
    server.on(RUN, {"status": "failed", "error": "container exited with code 1"})
    assert tool.invoke({"input": {}}) == "Error: container exited with code 1"
    server.on(RUN, refusal(403, "forbidden", "no"))
    assert tool.invoke({"input": {}}) == "Error: skillbox: 403 forbidden: no"


async def test_failures_are_text_asynchronously(server: FakeServer) -> None:
    [tool] = offer(server, "a").tools
    # This server speaks no gRPC.
    assert (await tool.ainvoke({"input": {}})).startswith("Error: skillbox: 0: ")


def test_no_key_is_shown(server: FakeServer) -> None:
    toolkit = offer(server, "a")
    assert "sk-test" not in repr(toolkit)
