"""Skills as LangChain tools. Needs `pip install "skillbox[langchain]"`.

Example:
    toolkit = build_skillbox_toolkit("http://localhost:8080", "sk-…")
    agent = create_agent(model, toolkit.get_tools())
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any

from langchain_core.tools import BaseTool, BaseToolkit
from pydantic import BaseModel, Field

from skillbox import tools
from skillbox.aio import AsyncClient
from skillbox.client import APIError, Client, SkillDetail

__all__ = ["SkillboxTool", "SkillboxToolkit", "build_skillbox_toolkit"]


class SkillInput(BaseModel):
    """Arguments of the tool of a skill that does not describe its input."""

    input: dict[str, Any] = Field(default_factory=dict, description=tools.INPUT_DESCRIPTION)


class SkillboxTool(BaseTool):
    """One version of a skill.

    A call returns the output as indented JSON, or `Error: …` when the skill fails or the server
    refuses: a model can read that and try something else.
    """

    skill: SkillDetail = Field(repr=False)
    client: Client = Field(exclude=True, repr=False)
    new_async_client: Callable[[], AsyncClient] = Field(exclude=True, repr=False)

    # Positional: a skill may have an argument named `self`.
    def _run(self, /, **arguments: Any) -> str:
        try:
            result = self.client.run(
                self.skill.name,
                version=self.skill.version,
                input=tools.to_input(self.skill, arguments),
            )
        except APIError as error:
            return tools.error_text(error)
        return tools.result_text(result)

    async def _arun(self, /, **arguments: Any) -> str:
        # A new one each time: the next call may come from another event loop.
        async with self.new_async_client() as client:
            try:
                result = await client.run(
                    self.skill.name,
                    version=self.skill.version,
                    input=tools.to_input(self.skill, arguments),
                )
            except APIError as error:
                return tools.error_text(error)
        return tools.result_text(result)


class SkillboxToolkit(BaseToolkit):
    """The tools of one server, as it was when they were built."""

    tools: list[SkillboxTool]

    def get_tools(self) -> list[BaseTool]:
        """Returns one tool for each skill."""
        return list(self.tools)


def build_skillbox_toolkit(
    base_url: str,
    api_key: str = "",
    *,
    tenant_id: str = "",
    timeout: float | None = None,
    skills: Collection[str] | None = None,
) -> SkillboxToolkit:
    """Makes a tool of the latest version of each skill that can be run.

    Args:
        base_url: Such as `http://localhost:8080`.
        api_key: Taken from SKILLBOX_API_KEY when empty.
        tenant_id: Tenant that the key must belong to; empty leaves that to the key.
        timeout: Seconds that a run may take; `None` leaves that to the skill.
        skills: Names of the skills to take; `None` takes all of them.

    Raises:
        APIError: The server refuses or cannot be reached, or has none of a name in `skills`.
    """
    client = Client(base_url, api_key, tenant_id=tenant_id, timeout=timeout)
    new_async_client = partial(AsyncClient, base_url, api_key, tenant_id=tenant_id, timeout=timeout)
    if skills is None:
        skills = dict.fromkeys(skill.name for skill in client.list_skills())
    found = [client.get_skill(name) for name in skills]
    return SkillboxToolkit(
        tools=[
            SkillboxTool(
                name=name,
                description=tools.description(skill),
                args_schema=_args_schema(skill),
                skill=skill,
                client=client,
                new_async_client=new_async_client,
            )
            for name, skill in _named(skill for skill in found if tools.can_run(skill))
        ]
    )


def _args_schema(skill: SkillDetail) -> type[BaseModel] | dict[str, Any]:
    return SkillInput if skill.input_schema is None else tools.arguments_schema(skill)


def _named(skills: Iterable[SkillDetail]) -> Iterator[tuple[str, SkillDetail]]:
    """Yields each skill with the name of its tool, a number added to one that is taken."""
    taken: set[str] = set()
    for skill in skills:
        name = base = "skillbox_" + re.sub(r"[^A-Za-z0-9_]", "_", skill.name)
        count = 1
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        yield name, skill
