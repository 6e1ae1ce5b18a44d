"""ExecutionRestService: the documented REST paths over `google.api.HttpBody`."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from google.api.httpbody_pb2 import HttpBody

from skillbox.executor.v1 import execution_rest_pb2 as pb
from skillbox.executor.v1.execution_rest_pb2_grpc import ExecutionRestServiceServicer
from skillbox_common.idempotency import idempotency_key
from skillbox_common.principal import current_principal
from skillbox_common.rest import json_body
from skillbox_executor import rest_json
from skillbox_executor.commands.queries import Queries
from skillbox_executor.commands.runs import Runs

_TEXT = "text/plain; charset=utf-8"
Context = grpc.aio.ServicerContext[Any, Any]


class ExecutionRestServicer(ExecutionRestServiceServicer):
    def __init__(self, runs: Runs, queries: Queries) -> None:
        self._runs = runs
        self._queries = queries

    async def RunSkillRest(self, request: HttpBody, context: Context) -> HttpBody:
        principal = current_principal()
        asked, key = rest_json.run_request(request.data), idempotency_key(context)
        if not rest_json.prefers_async(context.invocation_metadata() or ()):
            ended = await self._runs.run(principal, asked, key)
            record = await self._queries.ended(principal.tenant_id, ended)
            return json_body(rest_json.run_result(record))
        execution_id = await self._runs.start(principal, asked, key)
        record = await self._queries.get(principal.tenant_id, execution_id)
        await context.send_initial_metadata(rest_json.accepted(execution_id))
        return json_body(rest_json.execution_record(record))

    async def GetExecutionRest(
        self, request: pb.GetExecutionRestRequest, context: Context
    ) -> HttpBody:
        record = await self._queries.get(
            current_principal().tenant_id, request.id, rest_json.wait(request.wait)
        )
        return json_body(rest_json.execution_record(record))

    async def ListExecutionsRest(
        self, request: pb.ListExecutionsRestRequest, context: Context
    ) -> HttpBody:
        executions, token = await self._queries.page(
            current_principal().tenant_id,
            request.page_size,
            request.page_token,
            request.skill,
            rest_json.status_filter(request.status),
        )
        page: dict[str, Any] = {"executions": list(map(rest_json.execution_summary, executions))}
        return json_body(page | ({"next_page_token": token} if token else {}))

    async def CancelExecutionRest(
        self, request: pb.CancelExecutionRestRequest, context: Context
    ) -> HttpBody:
        execution = await self._queries.cancel(current_principal().tenant_id, request.id)
        return json_body(rest_json.execution_summary(execution))

    async def GetExecutionLogsRest(
        self, request: pb.GetExecutionLogsRestRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        tenant_id = current_principal().tenant_id
        events = await self._queries.logs(tenant_id, request.id, follow=request.follow)
        # At once, and also when nothing is printed: it carries the content type.
        yield HttpBody(content_type=_TEXT)
        async for event in events:
            yield HttpBody(content_type=_TEXT, data=event.data)

    async def WatchExecutionRest(
        self, request: pb.WatchExecutionRestRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        tenant_id = current_principal().tenant_id
        header = dict(context.invocation_metadata() or ()).get("last-event-id")
        after = rest_json.event_id(str(header) if header else None, request.after_seq)
        events = await self._queries.watch(tenant_id, request.id, after)
        yield HttpBody(content_type=rest_json.EVENT_STREAM)
        async for event in events:
            yield rest_json.server_sent_event(event)
