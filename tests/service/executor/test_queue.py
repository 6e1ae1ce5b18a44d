"""Executions that nobody waits for, and executions that wait themselves."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from skillbox.executor.v1.execution_pb2 import Execution
from skillbox.executor.v1.execution_rest_pb2 import GetExecutionRestRequest
from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionRequest,
    ListExecutionsRequest,
    RunSkillStreamRequest,
    SkillRun,
    WatchExecutionRequest,
)
from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.sandbox.frames import End
from skillbox_executor.store.postgres import PostgresExecutionStore
from tests.e2e.waiting import until
from tests.service.executor import calls
from tests.service.executor.calls import check_events, get, reason, run, start, status, until_status
from tests.service.executor.conftest import ALICE, BOB, Stack, replica
from tests.service.executor.scripted import printed
from tests.support.failures import failure


def with_limits(settings: ExecutorSettings, **changes: object) -> ExecutorSettings:
    return settings.model_copy(update=changes)


@pytest.fixture
async def busy(stack: Stack) -> AsyncIterator[Stack]:
    """A replica whose two slots are taken, and which has two places in its queue."""
    stack.driver.script = [30.0]
    running = [(await start(stack)).id for _ in range(2)]
    for execution_id in running:
        await until_status(stack, execution_id, "RUNNING")
    stack.driver.script = [End(exit_code=0)]
    yield stack


async def free_slot(stack: Stack) -> None:
    """Ends one of the executions that take a slot."""
    found = await stack.pool.fetchval("SELECT id FROM executions WHERE status = 'running' LIMIT 1")
    await calls.cancel(stack, str(found))


async def test_a_started_execution_runs_without_its_caller(stack: Stack) -> None:
    stack.driver.script = [*printed("done"), 1.0, End(exit_code=0)]
    execution = await start(stack, input_json='{"z":1}')
    assert status(execution) in ("QUEUED", "RUNNING")
    assert execution.input_json == '{"z":1}'
    ended = await get(stack, execution.id, wait_s=20)
    assert (status(ended), ended.logs) == ("SUCCESS", "done\n")
    assert ended.queue_position == 0
    await check_events(stack, execution.id)


async def test_what_waits_has_a_position_and_is_run_in_turn(busy: Stack) -> None:
    first, second = await start(busy), await start(busy)
    assert (status(first), first.queue_position) == ("QUEUED", 1)
    assert (status(second), second.queue_position) == ("QUEUED", 2)
    page = await busy.grpc.ListExecutions(
        ListExecutionsRequest(status="EXECUTION_STATUS_QUEUED"), metadata=ALICE
    )
    assert [execution.queue_position for execution in page.executions] == [2, 1]
    reply = await busy.rest.GetExecutionRest(GetExecutionRestRequest(id=second.id), metadata=ALICE)
    assert b'"queue_position":2' in reply.data
    await free_slot(busy)
    done = [await get(busy, execution.id, wait_s=20) for execution in (first, second)]
    assert [status(execution) for execution in done] == ["SUCCESS", "SUCCESS"]
    assert done[0].started_at.ToDatetime() < done[1].started_at.ToDatetime()


async def test_what_waits_can_be_cancelled(busy: Stack) -> None:
    execution = await start(busy)
    await calls.cancel(busy, execution.id)
    cancelled = await get(busy, execution.id)
    assert (status(cancelled), reason(cancelled)) == ("CANCELLED", "CANCELLED")
    assert not cancelled.HasField("started_at")
    await check_events(busy, execution.id)


async def test_a_caller_who_leaves_the_queue_gives_the_place_up(busy: Stack) -> None:
    call = asyncio.ensure_future(run(busy))

    async def waiting(state: str) -> str | None:
        found: str | None = await busy.pool.fetchval(
            "SELECT id::text FROM executions WHERE owner IS NULL AND status = $1", state
        )
        return found

    execution_id = await until(lambda: waiting("queued"))
    call.cancel()
    assert await until(lambda: waiting("cancelled")) == execution_id


async def test_a_full_queue_turns_away_and_keeps_nothing(busy: Stack) -> None:
    waiting = [await start(busy) for _ in range(2)]
    before = await busy.pool.fetchval(
        "SELECT (SELECT count(*) FROM executions), count(*) FROM events"
    )
    for call in (start(busy), run(busy), start(busy, BOB)):
        refused = await failure(call)
        assert refused.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.reason == "CAPACITY_EXHAUSTED"
        assert refused.message == "all places are taken; try again later"
    assert before == await busy.pool.fetchval(
        "SELECT (SELECT count(*) FROM executions), count(*) FROM events"
    )
    assert len(busy.executor.worker.held) == 2
    for execution in waiting:
        await calls.cancel(busy, execution.id)


async def test_secrets_are_erased_when_nobody_needs_them(busy: Stack) -> None:
    async def kept() -> list[str]:
        rows = await busy.pool.fetch("SELECT work FROM executions WHERE work IS NOT NULL")
        return [row["work"] for row in rows]

    waiting = await start(busy, env={"TOKEN": "open-sesame"})
    other = await start(busy, env={"TOKEN": "open-sesame"})
    assert all("open-sesame" in work for work in await kept())
    assert len(await kept()) == 2
    await calls.cancel(busy, other.id)
    await free_slot(busy)
    await get(busy, waiting.id, wait_s=20)
    assert busy.driver.payloads[-1].env["TOKEN"] == "open-sesame"
    assert await kept() == []


async def test_a_lost_message_costs_time_only(busy: Stack) -> None:
    execution = await start(busy)
    # As if this replica had heard of nothing: neither of the free slot nor of the end.
    busy.executor.worker.wake = lambda _="": None  # type: ignore[method-assign]  # deaf
    busy.executor.notifications._handlers.clear()
    busy.executor.notifications._waiting.clear()
    await busy.pool.execute(
        "UPDATE executions SET cancel_requested = true WHERE id = "
        "(SELECT id FROM executions WHERE status = 'running' LIMIT 1)"
    )
    assert status(await get(busy, execution.id, wait_s=10)) == "SUCCESS"


async def test_a_tenant_that_floods_does_not_keep_others_waiting(
    settings: ExecutorSettings,
) -> None:
    roomy = with_limits(settings, max_concurrent_execs=1, max_queue=100, tenant_max_queue=50)
    async with replica(roomy) as stack:
        stack.driver.script = [30.0]
        before = await start(stack)
        await until_status(stack, before.id, "RUNNING")
        stack.driver.script = [0.02, End(exit_code=0)]
        flood = [await start(stack) for _ in range(30)]
        quiet = [await start(stack, BOB) for _ in range(5)]
        await calls.cancel(stack, before.id)
        for execution in flood:
            await get(stack, execution.id, wait_s=30)
        order = [
            row["tenant_id"]
            for row in await stack.pool.fetch(
                "SELECT tenant_id FROM executions ORDER BY started_at"
            )
        ]
        # However many came before: one of theirs, one of ours, until ours are done.
        first = order.index("tenant-b")
        turns = order[first : first + 2 * len(quiet)]
        assert turns == ["tenant-b", "tenant-a"] * len(quiet)


async def test_the_tenant_with_less_running_goes_first(settings: ExecutorSettings) -> None:
    roomy = with_limits(settings, max_concurrent_execs=3, max_queue=100, tenant_max_queue=50)
    async with replica(roomy) as stack:
        stack.driver.script = [30.0]
        hogs = [await start(stack) for _ in range(3)]
        for execution in hogs:
            await until_status(stack, execution.id, "RUNNING")
        late = [await start(stack) for _ in range(2)]
        other = [await start(stack, BOB) for _ in range(2)]
        await calls.cancel(stack, hogs[0].id)
        await until_status(stack, other[0].id, "RUNNING", BOB)
        await calls.cancel(stack, hogs[1].id)
        # Now both have one, and the first tenant never had a turn.
        await until_status(stack, late[0].id, "RUNNING")
        assert status(await get(stack, other[1].id, caller=BOB)) == "QUEUED"


async def test_a_ceiling_for_each_tenant(settings: ExecutorSettings) -> None:
    limits = with_limits(settings, max_concurrent_execs=4, tenant_max_concurrent=1)
    async with replica(limits) as stack:
        stack.driver.script = [30.0]
        first = await start(stack)
        await until_status(stack, first.id, "RUNNING")
        second = await start(stack)
        # There are slots, but not for this tenant.
        other = await start(stack, BOB)
        await until_status(stack, other.id, "RUNNING", BOB)
        assert status(await get(stack, second.id)) == "QUEUED"
        await calls.cancel(stack, first.id)
        await until_status(stack, second.id, "RUNNING")


async def test_a_queue_of_each_tenant(settings: ExecutorSettings) -> None:
    limits = with_limits(settings, max_concurrent_execs=1, max_queue=4, tenant_max_queue=1)
    async with replica(limits) as stack:
        stack.driver.script = [30.0]
        first = await start(stack)
        await until_status(stack, first.id, "RUNNING")
        await start(stack)
        refused = await failure(start(stack))
        assert refused.message == "all places of the tenant are taken; try again later"
        assert status(await start(stack, BOB)) == "QUEUED"


async def test_a_rate_for_each_tenant(settings: ExecutorSettings) -> None:
    async with replica(with_limits(settings, tenant_rate=0.1, tenant_burst=2)) as stack:
        for _ in range(2):
            await run(stack)
        with pytest.raises(grpc.aio.AioRpcError, match="too many executions per second") as caught:
            await run(stack)
        # The stubs describe the metadata of the synchronous API.
        trailers: dict[str, str] = dict(caught.value.trailing_metadata())  # type: ignore[arg-type]
        assert trailers["retry-after"] == "10"
        await run(stack, BOB)
        assert await stack.pool.fetchval("SELECT count(*) FROM executions") == 3
        await stack.pool.execute("UPDATE tenants SET tokens_at = now() - interval '10 s'")
        await run(stack)


async def test_ten_at_once_never_exceed_the_limits(stack: Stack) -> None:
    stack.driver.script = [0.1, End(exit_code=0)]
    replies = await asyncio.gather(*(run(stack) for _ in range(10)), return_exceptions=True)
    assert len([reply for reply in replies if isinstance(reply, Execution)]) >= 4
    at_once = await stack.pool.fetch(
        "SELECT (SELECT count(*) FROM executions AS other WHERE other.started_at <= one.started_at "
        "AND one.started_at < other.finished_at) AS count FROM executions AS one"
    )
    assert max(row["count"] for row in at_once) <= 2


async def test_wait_is_over_at_its_deadline(busy: Stack) -> None:
    execution = await start(busy)
    begun = time.monotonic()
    assert status(await get(busy, execution.id, wait_s=1)) == "QUEUED"
    assert 0.9 < time.monotonic() - begun < 3
    reply = await busy.rest.GetExecutionRest(
        GetExecutionRestRequest(id=execution.id, wait="50ms"), metadata=ALICE
    )
    assert b'"status":"queued"' in reply.data


@pytest.mark.parametrize("wait", ["soon", "-1s", "11m", "0s", "1"])
async def test_a_wait_that_makes_no_sense(stack: Stack, wait: str) -> None:
    execution = await run(stack)
    request = GetExecutionRestRequest(id=execution.id, wait=wait)
    refused = await failure(stack.rest.GetExecutionRest(request, metadata=ALICE))
    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.message.startswith("wait: ")


@pytest.mark.parametrize("seconds", [-1, 601])
async def test_a_wait_that_makes_no_sense_over_grpc(stack: Stack, seconds: int) -> None:
    request = GetExecutionRequest(id=(await run(stack)).id)
    request.wait.FromSeconds(seconds)
    refused = await failure(stack.grpc.GetExecution(request, metadata=ALICE))
    assert refused.message.startswith("wait: ")


async def test_a_watch_from_beyond_the_end_ends_with_the_execution(stack: Stack) -> None:
    stack.driver.script = [30.0]
    execution = await start(stack)
    await until_status(stack, execution.id, "RUNNING")

    async def seqs(after: int) -> list[int]:
        request = WatchExecutionRequest(id=execution.id, after_seq=after)
        return [r.event.seq async for r in stack.grpc.WatchExecution(request, metadata=ALICE)]

    watches = [asyncio.ensure_future(seqs(after)) for after in (2, 1000)]
    await asyncio.sleep(0.1)
    await calls.cancel(stack, execution.id)
    async with asyncio.timeout(20):
        assert await asyncio.gather(*watches) == [[3], []]


async def test_rest_replies_at_once_to_those_who_prefer_it(busy: Stack) -> None:
    call = busy.rest.RunSkillRest(
        HttpBody(data=b'{"skill":"echo"}'), metadata=(*ALICE, ("prefer", "wait=1, Respond-Async"))
    )
    reply = await call
    headers = {name: str(value) for name, value in await call.initial_metadata()}
    execution_id = headers["location"].removeprefix("/v1/executions/")
    assert (headers["x-http-code"], headers["preference-applied"]) == ("202", "respond-async")
    assert b'"status":"queued"' in reply.data
    request = GetExecutionRestRequest(id=execution_id)
    assert await busy.rest.GetExecutionRest(request, metadata=ALICE) == reply


async def test_who_waits_sits_an_outage_of_the_database_out(
    busy: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RunSkillStreamRequest(run=SkillRun(skill="echo"))

    async def stream() -> list[str | None]:
        replies = busy.grpc.RunSkillStream(request, metadata=ALICE)
        return [reply.event.WhichOneof("event") async for reply in replies]

    async def lost(*_: object) -> None:
        raise DependencyUnavailable("the database does not answer")

    waiting = asyncio.ensure_future(run(busy))
    streaming = asyncio.ensure_future(stream())

    async def both_wait() -> bool:
        return bool(await busy.pool.fetchval("SELECT count(*) = 4 FROM executions"))

    await until(both_wait)
    with monkeypatch.context() as outage:
        outage.setattr(PostgresExecutionStore, "ended", lost)
        outage.setattr(PostgresExecutionStore, "events", lost)
        await asyncio.sleep(1.2)
    await free_slot(busy)
    assert status(await waiting) == "SUCCESS"
    assert (await streaming)[-1] == "finished"
