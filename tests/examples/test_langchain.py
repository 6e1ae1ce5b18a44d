"""LangChain's agent loop with a scripted model and tools on the live stack."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from skillbox import APIError
from skillbox import Client as Sdk
from skillbox.langchain import SkillboxTool, SkillboxToolkit, build_skillbox_toolkit
from tests.e2e import skills
from tests.e2e.stack import API_KEY, Client
from tests.e2e.waiting import until

Turn = Callable[[list[BaseMessage]], AIMessage]


class ScriptedModel(BaseChatModel):
    """Takes one turn after the other, and keeps the tools that it was offered."""

    turns: list[Turn]
    offered: list[dict[str, Any]] = []  # noqa: RUF012 - pydantic copies it

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        reply = self.turns.pop(0)(messages)
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> "ScriptedModel":
        self.offered = [convert_to_openai_tool(tool)["function"] for tool in tools]
        return self

    @property
    def _llm_type(self) -> str:
        return "scripted"


def call(*calls: tuple[str, dict[str, Any]]) -> Turn:
    tool_calls = [
        {"name": name, "args": args, "id": f"call-{number}"}
        for number, (name, args) in enumerate(calls)
    ]
    return lambda _: AIMessage("", tool_calls=tool_calls)


def say_mean(messages: list[BaseMessage]) -> AIMessage:
    return AIMessage(f"The mean is {json.loads(str(messages[-1].content))['mean']}.")


def toolkit(live: Client, *names: str) -> SkillboxToolkit:
    return build_skillbox_toolkit(live.url, API_KEY, skills=names or None)


def tool(live: Client, name: str) -> SkillboxTool:
    [found] = toolkit(live, name).tools
    return found


@pytest.mark.parametrize("asynchronous", [False, True], ids=["invoke", "ainvoke"])
async def test_an_agent_uses_skills(live: Client, asynchronous: bool) -> None:
    model = ScriptedModel(
        turns=[
            # Wrong at first: the model reads why, and tries again.
            call(("skillbox_data_analysis", {"input": {"data": "?"}})),
            call(
                ("skillbox_word_counter", {"text": "a b a"}),
                ("skillbox_data_analysis", {"input": {"data": [1, 2, 6]}}),
            ),
            say_mean,
        ]
    )
    agent = create_agent(model, toolkit(live, "data-analysis", "word-counter").get_tools())
    question: Any = {"messages": [HumanMessage("What is the mean?")]}
    state: Any = await agent.ainvoke(question) if asynchronous else agent.invoke(question)
    replies = [str(item.content) for item in state["messages"] if isinstance(item, ToolMessage)]
    assert replies[0] == "Error: container exited with code 1"
    assert json.loads(replies[1])["word_count"] == 3
    assert state["messages"][-1].content == "The mean is 3.0."

    counter = {item["name"]: item for item in model.offered}["skillbox_word_counter"]
    assert counter["description"].startswith("Counts words, characters,")
    assert counter["parameters"]["required"] == ["text"]
    assert counter["parameters"]["properties"]["top"]["type"] == "integer"


def test_there_is_a_tool_for_each_skill(live: Client) -> None:
    found = {item.name: item for item in toolkit(live).get_tools()}
    assert {"skillbox_data_analysis", "skillbox_exit_code", "skillbox_many_files"} <= set(found)
    assert all(isinstance(item, SkillboxTool) for item in found.values())
    detail = tool(live, "data-analysis").skill
    assert found["skillbox_data_analysis"].description == (
        f"{detail.description}\n\n{detail.instructions}"
    )
    assert list(found["skillbox_data_analysis"].args) == ["input"]
    assert set(found["skillbox_word_counter"].args) == {"text", "top"}


def test_what_a_tool_returns(live: Client) -> None:
    counter = tool(live, "word-counter")
    text = counter.invoke({"text": "grün"})
    assert text.startswith('{\n  "word_count": 1,\n')
    assert tool(live, "exit-code").invoke({"code": 3}) == "Error: container exited with code 3"
    assert counter.invoke({"txt": 1}).startswith("Error: input does not satisfy")
    # Whatever a skill calls its arguments.
    assert counter.invoke({"text": "a", "self": 1, "config": 2, "run_manager": 3}) == (
        counter.invoke({"text": "a"})
    )


async def test_runs_overlap(live: Client) -> None:
    code = "import os, time; time.sleep(2); open(os.environ['SANDBOX_OUTPUT'], 'w').write('1')"
    await live.push(skills.skill("napper", "main.py", code))
    napper = tool(live, "napper")
    assert await asyncio.gather(*(napper.ainvoke({}) for _ in range(3))) == ["1"] * 3
    with Sdk(live.url, API_KEY) as client:
        runs = client.list_executions(skill="napper", page_size=3).executions
    assert max(run.created_at for run in runs) < min(run.finished_at for run in runs)


def test_each_call_may_have_its_own_loop(live: Client) -> None:
    counter = tool(live, "word-counter")

    def ask() -> str:
        with asyncio.Runner() as runner:
            return str(runner.run(counter.ainvoke({"text": "a"})))

    assert ask() == ask()


async def test_cancelling_cancels_the_run(live: Client) -> None:
    await live.push(skills.SLEEPER)
    task = asyncio.create_task(tool(live, "sleeper").ainvoke({}))

    async def runs() -> bool:
        return bool(await live.running("sleeper"))

    await until(runs)
    id_ = await live.running("sleeper")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def cancelled() -> bool:
        return bool((await live.record(id_))["status"] == "cancelled")

    await until(cancelled)


async def test_a_server_that_refuses(live: Client) -> None:
    with pytest.raises(APIError, match="401 unauthorized"):
        build_skillbox_toolkit(live.url, "sk-wrong")
    with pytest.raises(APIError, match="404 not_found"):
        toolkit(live, "no-such-skill")
