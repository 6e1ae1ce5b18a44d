"""The MCP server: a tool for each skill, a resource for each file that a run left."""

import asyncio
from functools import partial
from typing import Any

from mcp import MCPError
from mcp.server import Server
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    SetLevelRequestParams,
    TextContent,
    Tool,
)

import skillbox
from skillbox import tools
from skillbox.aio import AsyncClient
from skillbox.client import APIError, RunResult, SkillDetail
from skillbox.mcp import files
from skillbox.mcp.reporting import Context, Reporter
from skillbox.mcp.upstream import Upstream

_INSTRUCTIONS = (
    "Each tool is a skill: a program that runs in a sandbox. Files that it leaves come as links "
    "to resources."
)
_RECENT_RUNS = 20
_MAX_LOGS = 4000


class SkillServer:
    """Answers MCP requests with what a Skillbox server has."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._reporter = Reporter()

    def build(self) -> Server[Any]:
        """Returns a server for any transport."""
        server: Server[Any] = Server(
            "skillbox",
            version=skillbox.__version__,
            instructions=_INSTRUCTIONS,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_resource_templates,
            on_read_resource=self.read_resource,
            # No argument travels in a header, so no call needs the list of tools first.
            get_tool_input_schema=lambda _: None,
        )
        server.add_request_handler(
            "logging/setLevel", SetLevelRequestParams, self._reporter.set_level
        )
        return server

    async def list_tools(
        self, ctx: Context, _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """Returns a tool for the latest version of each skill that can be run."""
        async with self._upstream.client(ctx.request) as client:
            try:
                names = dict.fromkeys(skill.name for skill in await client.list_skills())
                skills = await asyncio.gather(*(client.get_skill(name) for name in names))
            except APIError as error:
                raise _protocol_error(error) from error
        return ListToolsResult(tools=[_tool(skill) for skill in skills if tools.can_run(skill)])

    async def call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult:
        """Runs a skill. What goes wrong is in the result, for the model to read."""
        async with self._upstream.client(ctx.request) as client:
            try:
                skill = await _skill(client, params.name)
                result = await client.run(
                    skill.name,
                    version=skill.version,
                    input=tools.to_input(skill, params.arguments or {}),
                    on_event=partial(self._reporter.report, ctx, skill.name),
                )
            except APIError as error:
                return CallToolResult(content=[_text(tools.error_text(error))], is_error=True)
        return _tool_result(result)

    async def list_resources(
        self, ctx: Context, _params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        """Returns the files of the latest runs; those of any other run can be read too."""
        async with self._upstream.client(ctx.request) as client:
            try:
                page = await client.list_executions(status="success", page_size=_RECENT_RUNS)
                ids = [execution.execution_id for execution in page.executions]
                runs = await asyncio.gather(*(client.get_execution(id_) for id_ in ids))
            except APIError as error:
                raise _protocol_error(error) from error
        return ListResourcesResult(
            resources=[
                Resource(
                    name=link.name,
                    uri=link.uri,
                    mime_type=link.mime_type,
                    description=f"Left by {run.skill_name} at {run.finished_at}.",
                )
                for run in runs
                for link in files.links(run)
            ]
        )

    async def list_resource_templates(
        self, _ctx: Context, _params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """Returns how a file is named."""
        return ListResourceTemplatesResult(resource_templates=[files.TEMPLATE])

    async def read_resource(
        self, ctx: Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        """Returns a file that a run left."""
        async with self._upstream.client(ctx.request) as client:
            try:
                return ReadResourceResult(contents=[await files.read(client, params.uri)])
            except APIError as error:
                raise _protocol_error(error) from error


def _tool(skill: SkillDetail) -> Tool:
    schema = skill.output_schema
    return Tool(
        name=skill.name,
        description=tools.description(skill),
        input_schema=tools.arguments_schema(skill),
        # Earlier protocols know structured results that are objects only.
        output_schema=schema if schema and schema.get("type") == "object" else None,
    )


async def _skill(client: AsyncClient, name: str) -> SkillDetail:
    try:
        return await client.get_skill(name)
    except APIError as error:
        if error.status_code == 404:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {name}") from None
        raise


def _tool_result(result: RunResult) -> CallToolResult:
    content = [_text(tools.result_text(result)), *files.links(result)]
    if len(result.files_list) > files.MAX_LINKS:
        content.append(_text(f"{len(result.files_list)} files in all"))
    failed = result.status != "success"
    if failed and result.logs:
        content.append(_text(f"Log:\n{result.logs[-_MAX_LOGS:]}"))
    return CallToolResult(
        content=content,
        structured_content=result.output if isinstance(result.output, dict) else None,
        is_error=failed,
        _meta={"skillbox/execution_id": result.execution_id},
    )


def _text(text: str) -> TextContent:
    return TextContent(text=text)


def _protocol_error(error: APIError) -> MCPError:
    return MCPError(INTERNAL_ERROR, str(error))
