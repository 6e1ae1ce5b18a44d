"""ExecutionService over gRPC: converts and delegates."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from skillbox.executor.v1 import execution_service_pb2 as pb
from skillbox.executor.v1.execution_pb2 import Execution
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceServicer
from skillbox_common.idempotency import idempotency_key
from skillbox_common.principal import current_principal
from skillbox_executor import convert
from skillbox_executor.commands.queries import Queries
from skillbox_executor.commands.runs import Runs
from skillbox_executor.domain import EventKind

Context = grpc.aio.ServicerContext[Any, Any]


class ExecutionServicer(ExecutionServiceServicer):
    def __init__(self, runs: Runs, queries: Queries) -> None:
        self._runs = runs
        self._queries = queries

    async def RunSkill(self, request: pb.RunSkillRequest, context: Context) -> pb.RunSkillResponse:
        principal = current_principal()
        ended = await self._runs.run(
            principal, convert.run_request(request.run), idempotency_key(context)
        )
        record = await self._queries.ended(principal.tenant_id, ended)
        return pb.RunSkillResponse(execution=convert.record_message(record))

    async def RunSkillStream(
        self, request: pb.RunSkillStreamRequest, context: Context
    ) -> AsyncIterator[pb.RunSkillStreamResponse]:
        principal = current_principal()
        asked, key = convert.run_request(request.run), idempotency_key(context)
        async with self._runs.held(principal, asked, key) as run:
            async for event in await self._queries.watch(principal.tenant_id, run.id, 0):
                reply = pb.RunSkillStreamResponse(event=convert.event_message(run.id, event))
                if event.kind is EventKind.FINISHED:
                    record = await self._queries.get(principal.tenant_id, run.id)
                    reply.execution.CopyFrom(convert.record_message(record))
                yield reply

    async def StartExecution(
        self, request: pb.StartExecutionRequest, context: Context
    ) -> pb.StartExecutionResponse:
        principal = current_principal()
        execution_id = await self._runs.start(
            principal, convert.run_request(request.run), idempotency_key(context)
        )
        record = await self._queries.get(principal.tenant_id, execution_id)
        return pb.StartExecutionResponse(execution=convert.record_message(record))

    async def GetExecution(self, request: pb.GetExecutionRequest, context: Context) -> Execution:
        record = await self._queries.get(
            current_principal().tenant_id, request.id, convert.seconds(request.wait)
        )
        return convert.record_message(record)

    async def ListExecutions(
        self, request: pb.ListExecutionsRequest, context: Context
    ) -> pb.ListExecutionsResponse:
        executions, token = await self._queries.page(
            current_principal().tenant_id,
            request.page_size,
            request.page_token,
            request.skill,
            convert.status_filter(request.status),
        )
        return pb.ListExecutionsResponse(
            executions=map(convert.execution_message, executions), next_page_token=token
        )

    async def CancelExecution(
        self, request: pb.CancelExecutionRequest, context: Context
    ) -> pb.CancelExecutionResponse:
        execution = await self._queries.cancel(current_principal().tenant_id, request.id)
        return pb.CancelExecutionResponse(execution=convert.execution_message(execution))

    async def WatchExecution(
        self, request: pb.WatchExecutionRequest, context: Context
    ) -> AsyncIterator[pb.WatchExecutionResponse]:
        tenant_id = current_principal().tenant_id
        async for event in await self._queries.watch(tenant_id, request.id, request.after_seq):
            yield pb.WatchExecutionResponse(event=convert.event_message(request.id, event))

    async def GetExecutionLogs(
        self, request: pb.GetExecutionLogsRequest, context: Context
    ) -> AsyncIterator[pb.GetExecutionLogsResponse]:
        tenant_id = current_principal().tenant_id
        async for event in await self._queries.logs(tenant_id, request.id, follow=request.follow):
            yield pb.GetExecutionLogsResponse(log=convert.log_message(event))
