"""Calls that several test files make."""

import asyncio

from skillbox.executor.v1.execution_pb2 import Execution, ExecutionReason, ExecutionStatus
from skillbox.executor.v1.execution_service_pb2 import (
    CancelExecutionRequest,
    GetExecutionRequest,
    RunSkillRequest,
    SkillRun,
    StartExecutionRequest,
)
from tests.service.executor.conftest import ALICE, Stack

Metadata = tuple[tuple[str, str], ...]


def status(execution: Execution) -> str:
    return ExecutionStatus.Name(execution.status).removeprefix("EXECUTION_STATUS_")


def reason(execution: Execution) -> str:
    return ExecutionReason.Name(execution.reason).removeprefix("EXECUTION_REASON_")


def with_key(key: str, caller: Metadata = ALICE) -> Metadata:
    return (*caller, ("idempotency-key", key))


async def run(stack: Stack, caller: Metadata = ALICE, **fields: object) -> Execution:
    """Runs the skill to its end."""
    request = RunSkillRequest(run=SkillRun(**{"skill": "echo", **fields}))  # type: ignore[arg-type]  # of any field
    reply = await stack.grpc.RunSkill(request, metadata=caller)
    execution: Execution = reply.execution
    return execution


async def start(stack: Stack, caller: Metadata = ALICE, **fields: object) -> Execution:
    """Starts the skill and leaves it."""
    request = StartExecutionRequest(run=SkillRun(**{"skill": "echo", **fields}))  # type: ignore[arg-type]  # of any field
    reply = await stack.grpc.StartExecution(request, metadata=caller)
    execution: Execution = reply.execution
    return execution


async def get(
    stack: Stack, execution_id: str, wait_s: int = 0, caller: Metadata = ALICE
) -> Execution:
    request = GetExecutionRequest(id=execution_id)
    if wait_s:
        request.wait.FromSeconds(wait_s)
    execution: Execution = await stack.grpc.GetExecution(request, metadata=caller)
    return execution


async def cancel(stack: Stack, execution_id: str) -> None:
    await stack.grpc.CancelExecution(CancelExecutionRequest(id=execution_id), metadata=ALICE)


async def until_status(
    stack: Stack, execution_id: str, wanted: str, caller: Metadata = ALICE
) -> Execution:
    """Returns an execution as soon as it is in this state."""
    async with asyncio.timeout(30):
        while True:
            execution = await get(stack, execution_id, caller=caller)
            if status(execution) == wanted:
                return execution
            await asyncio.sleep(0.01)


async def check_events(stack: Stack, execution_id: str) -> None:
    """Fails unless the events have no gap and the last one is the end."""
    found = await stack.pool.fetch(
        "SELECT seq, kind FROM events WHERE execution_id = $1 ORDER BY seq", execution_id
    )
    assert [row["seq"] for row in found] == list(range(1, len(found) + 1))
    assert [row["kind"] for row in found].count("finished") == 1
    assert found[-1]["kind"] == "finished"
