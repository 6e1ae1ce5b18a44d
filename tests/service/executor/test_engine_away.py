"""What callers see while no sandbox engine can be reached. About ten seconds."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from skillbox.executor.v1.execution_service_pb2 import SkillRun, StartExecutionRequest
from skillbox_executor import engine
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.sandbox.interface import EngineAway
from tests.e2e.waiting import until
from tests.service.executor import calls
from tests.service.executor.calls import (
    check_events,
    get,
    reason,
    run,
    start,
    status,
    until_status,
    with_key,
)
from tests.service.executor.conftest import ALICE, Stack, replica
from tests.support.failures import failure

AWAY = EngineAway("the engine does not answer")
REQUEST = StartExecutionRequest(run=SkillRun(skill="echo"))


@pytest.fixture
async def away(stack: Stack) -> AsyncIterator[Stack]:
    """A stack whose engine is away, and which knows it: somebody waits already."""
    stack.driver.prepare_error = AWAY
    waiting = await start(stack)
    await until_known(stack)
    yield stack
    stack.driver.prepare_error = None
    assert status(await get(stack, waiting.id, wait_s=20)) == "SUCCESS"


async def until_known(stack: Stack) -> None:
    async def known() -> bool:
        return stack.executor.engine.away and not stack.executor.worker.held

    await until(known)


async def until_all_ended(stack: Stack) -> None:
    """Waits also for the run that waited before: it may be the later one to end."""

    async def ended() -> bool:
        going_on = "SELECT count(*) FROM executions WHERE status IN ('queued', 'running')"
        return not await stack.pool.fetchval(going_on)

    await until(ended)


async def test_what_has_not_started_waits_and_is_run_once(away: Stack) -> None:
    asked, calling = away.driver.prepares, asyncio.create_task(run(away))
    await asyncio.sleep(1.5)
    assert away.driver.prepares == asked, "it was taken in vain"
    (row,) = await away.pool.fetch("SELECT * FROM executions ORDER BY created_at DESC LIMIT 1")
    assert (row["status"], row["owner"]) == ("queued", None)
    away.driver.prepare_error = None
    execution = await calling
    assert status(execution) == "SUCCESS"
    await check_events(away, execution.id)
    await until_all_ended(away)
    assert len(away.driver.payloads) == 2


async def test_a_caller_who_leaves_is_not_waited_for(stack: Stack) -> None:
    stack.driver.prepare_s, stack.driver.prepare_error = 0.0, AWAY
    calling = asyncio.create_task(run(stack))
    await until_known(stack)
    calling.cancel()
    stack.driver.prepare_error = None

    async def left() -> bool:
        return bool(await stack.pool.fetchval("SELECT status = 'cancelled' FROM executions"))

    await until(left)
    assert not stack.driver.payloads


async def test_who_waits_can_be_cancelled(away: Stack) -> None:
    execution = await start(away)
    await calls.cancel(away, execution.id)
    assert status(await get(away, execution.id, wait_s=20)) == "CANCELLED"


async def test_a_replica_whose_engine_is_there_takes_what_another_cannot_run(
    away: Stack, settings: ExecutorSettings
) -> None:
    async with replica(settings.model_copy(update={"executor_id": "other"})) as other:
        execution = await run(away)
        assert status(execution) == "SUCCESS"
        assert other.driver.payloads
        await until_all_ended(away)
    assert not away.driver.payloads


async def test_it_is_not_waited_for_for_ever(settings: ExecutorSettings) -> None:
    async with replica(settings.model_copy(update={"engine_wait": 1.0})) as stack:
        stack.driver.prepare_error = AWAY
        async with asyncio.timeout(20):
            execution = await run(stack)
        assert (status(execution), reason(execution)) == ("FAILED", "ENGINE_LOST")
        assert execution.error == (
            "the sandbox engine could not be reached for 1s; the execution never started"
        )
        assert not execution.HasField("started_at")
        await check_events(stack, execution.id)


async def test_nobody_is_given_up_while_another_replica_runs_something(
    settings: ExecutorSettings,
) -> None:
    hasty = settings.model_copy(update={"engine_wait": 0.5})
    busy = settings.model_copy(update={"executor_id": "busy", "max_concurrent_execs": 1})
    async with replica(hasty) as stack, replica(busy) as other:
        other.driver.script = [60.0]
        running = (await start(other)).id
        await until_status(other, running, "RUNNING")
        stack.driver.prepare_error = AWAY
        execution = await start(stack)
        await asyncio.sleep(2)
        assert status(await get(stack, execution.id)) == "QUEUED"
        await calls.cancel(other, running)
        await calls.cancel(other, execution.id)


async def test_new_calls_are_turned_away_once_it_is_no_blip(
    away: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed = await away.grpc.StartExecution(REQUEST, metadata=with_key("k"))
    monkeypatch.setattr(engine, "PATIENCE_S", 0.1)
    await asyncio.sleep(0.1)
    before = await away.pool.fetchval("SELECT count(*) FROM executions")
    refused = await failure(run(away))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "DEPENDENCY_UNAVAILABLE",
    )
    assert refused.message == "the sandbox engine cannot be reached; try again later"
    assert await away.pool.fetchval("SELECT count(*) FROM executions") == before
    again = await away.grpc.StartExecution(REQUEST, metadata=with_key("k"))
    assert again.execution.id == keyed.execution.id, "he who was accepted is not turned away"
    # For REST the seconds are in the trailers, of which the gateway makes the header.
    call = away.grpc.StartExecution(REQUEST, metadata=ALICE)
    assert ("retry-after", "2") in tuple(await call.trailing_metadata())
