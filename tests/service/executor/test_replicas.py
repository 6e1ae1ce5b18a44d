"""Two replicas on one database."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionLogsRequest,
    WatchExecutionRequest,
)
from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.commands.worker import STOPPED
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.domain import Event, EventKind, Execution, RunRequest, Status
from skillbox_executor.sandbox.frames import End
from skillbox_executor.sandbox.interface import EngineAway, EngineUnavailable
from skillbox_executor.store.interface import ExecutionLost
from skillbox_executor.store.postgres import PostgresExecutionStore
from skillbox_executor.store.replicas import PostgresReplicas
from skillbox_executor.work import Work
from tests.e2e.waiting import until
from tests.service.executor import calls
from tests.service.executor.calls import check_events, get, reason, start, status, until_status
from tests.service.executor.conftest import ALICE, SKILL, Stack, replica
from tests.service.executor.scripted import printed


def named(settings: ExecutorSettings, name: str, **changes: object) -> ExecutorSettings:
    return settings.model_copy(update={"executor_id": name, **changes})


@pytest.fixture
async def one(settings: ExecutorSettings) -> AsyncIterator[Stack]:
    async with replica(named(settings, "one")) as stack:
        yield stack


@pytest.fixture
async def two(settings: ExecutorSettings) -> AsyncIterator[Stack]:
    async with replica(named(settings, "two")) as stack:
        yield stack


async def died(stack: Stack, *, started: bool) -> str:
    """Leaves an execution behind as a replica does that is killed, and returns its id."""
    execution = await start(stack)
    await get(stack, execution.id, wait_s=10)
    await stack.pool.execute(
        "UPDATE executions SET owner = 'dead', finished_at = NULL, reason = NULL, status = $2, "
        "work = $3 WHERE id = $1",
        execution.id,
        "running" if started else "queued",
        None if started else WORK.encode(),
    )
    await stack.pool.execute(
        "DELETE FROM events WHERE execution_id = $1 AND (kind = 'finished' OR NOT $2 AND seq > 1)",
        execution.id,
        started,
    )
    await stack.pool.execute("INSERT INTO replicas VALUES ('dead', 9, now())")
    return execution.id


WORK = Work(RunRequest("echo", args=["left"]), SKILL)


async def test_what_a_dead_replica_had_started_ends_as_lost(one: Stack, two: Stack) -> None:
    execution_id = await died(one, started=True)
    async with asyncio.timeout(20):
        execution = await get(two, execution_id, wait_s=20)
    assert (status(execution), reason(execution)) == ("FAILED", "EXECUTOR_LOST")
    assert execution.error == "the executor stopped while it ran"
    await check_events(one, execution_id)
    assert await one.pool.fetchval("SELECT count(*) FROM replicas WHERE id = 'dead'") == 0

    async def reaped() -> bool:
        return "dead" in one.driver.reaped + two.driver.reaped

    await until(reaped)


async def test_a_dead_replica_that_held_nothing_is_cleaned_up_after_too(one: Stack) -> None:
    await one.pool.execute("INSERT INTO replicas VALUES ('dead', 9, now())")

    async def reaped() -> bool:
        return one.driver.reaped.count("dead") == 1

    await until(reaped)
    assert await one.pool.fetchval("SELECT count(*) FROM replicas WHERE id = 'dead'") == 0


async def test_boxes_of_the_dead_wait_for_the_engine(
    one: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([EngineAway("away"), EngineUnavailable("not yours")])
    asked = []

    async def reap(owner: str = "") -> int:
        asked.append(owner)
        raise next(answers)

    monkeypatch.setattr(one.driver, "reap", reap)
    await one.pool.execute("INSERT INTO replicas VALUES ('dead', 9, now())")

    async def asked_twice() -> bool:
        return asked == ["dead", "dead"]

    await until(asked_twice)
    await asyncio.sleep(0.5)
    assert await asked_twice(), "who is refused does not ask again"


async def test_what_a_dead_replica_never_started_is_run_by_another(one: Stack) -> None:
    execution_id = await died(one, started=False)
    one.driver.payloads.clear()
    execution = await get(one, execution_id, wait_s=20)
    assert status(execution) == "SUCCESS"
    assert [payload.argv for payload in one.driver.payloads] == [["main.py", "left"]]
    await check_events(one, execution_id)


async def test_two_who_take_over_at_once_do_it_once(one: Stack, two: Stack) -> None:
    execution_id = await died(one, started=True)
    stores = [PostgresReplicas(stack.pool, "x") for stack in (one, two)]
    counts = await asyncio.gather(*(store.take_over("dead", 9, STOPPED) for store in stores))
    assert sorted(counts, key=str) == [1, None]
    await check_events(one, execution_id)


async def test_a_replica_that_beat_again_keeps_its_executions(one: Stack) -> None:
    await died(one, started=True)
    assert await PostgresReplicas(one.pool, "x").take_over("dead", 8, STOPPED) is None
    assert await PostgresReplicas(one.pool, "x").take_over("dead", 9, STOPPED) == 1


async def test_a_replica_that_comes_back_cleans_up_at_once(
    settings: ExecutorSettings, two: Stack
) -> None:
    started = await died(two, started=True)
    async with replica(named(settings, "dead")) as dead:
        assert status(await get(dead, started)) == "FAILED"
        await check_events(dead, started)


async def test_a_replica_that_was_given_up_stops_and_writes_nothing(one: Stack, two: Stack) -> None:
    one.driver.script = [*printed("working"), 30.0]
    execution = await start(one)
    await until_status(one, execution.id, "RUNNING")
    beat = await one.pool.fetchval("SELECT beat FROM replicas WHERE id = 'one'")
    # Its heart goes on meanwhile: this takes what a real one only loses when it is stuck.
    replicas = PostgresReplicas(two.pool, "two")
    while not await replicas.take_over("one", beat, STOPPED):
        beat = await one.pool.fetchval("SELECT beat FROM replicas WHERE id = 'one'")

    async def stopped() -> bool:
        return not one.driver.boxes and not one.executor.worker.held

    await until(stopped)
    found = await get(two, execution.id)
    assert (status(found), reason(found)) == ("FAILED", "EXECUTOR_LOST")
    await check_events(two, execution.id)


async def test_nobody_writes_about_what_another_holds(one: Stack, two: Stack) -> None:
    one.driver.script = [30.0]
    running = (await start(one)).id
    await until_status(one, running, "RUNNING")
    execution = await one.executor.queries.get("tenant-a", running)
    now = datetime.now(UTC)
    event = Event(3, now, EventKind.LOG, "stdout", b"x")
    thief = PostgresExecutionStore(two.pool, "two")
    ended = replace(execution.execution, status=Status.SUCCESS, finished_at=now)
    for attempt in (
        thief.start(execution.execution, event),
        thief.append(running, [event]),
        thief.finish(ended, [event]),
    ):
        with pytest.raises(ExecutionLost):
            await attempt
    assert status(await get(two, running)) == "RUNNING"
    await calls.cancel(two, running)
    assert status(await get(two, running, wait_s=20)) == "CANCELLED"
    await check_events(two, running)


async def test_cancel_from_another_replica(one: Stack, two: Stack) -> None:
    one.driver.script = [30.0]
    execution = await start(one)
    await until_status(one, execution.id, "RUNNING")
    begun = time.monotonic()
    await calls.cancel(two, execution.id)
    assert status(await get(two, execution.id, wait_s=20)) == "CANCELLED"
    assert time.monotonic() - begun < 1
    assert not one.driver.boxes


async def test_a_cancel_whose_message_is_lost_works_soon(one: Stack) -> None:
    one.driver.script = [30.0]
    execution = await start(one)
    await until_status(one, execution.id, "RUNNING")
    begun = time.monotonic()
    await one.pool.execute(
        "UPDATE executions SET cancel_requested = true WHERE id = $1", execution.id
    )
    assert status(await get(one, execution.id, wait_s=20)) == "CANCELLED"
    assert time.monotonic() - begun < 3


async def test_watch_logs_and_wait_from_another_replica(one: Stack, two: Stack) -> None:
    one.driver.script = [*printed("first"), 0.3, *printed("second"), End(exit_code=0)]
    execution = await start(one)
    watch = WatchExecutionRequest(id=execution.id)
    logs = GetExecutionLogsRequest(id=execution.id, follow=True)

    async def seen() -> list[str]:
        return [
            reply.event.WhichOneof("event") or ""
            async for reply in two.grpc.WatchExecution(watch, metadata=ALICE)
        ]

    async def read() -> bytes:
        replies = two.grpc.GetExecutionLogs(logs, metadata=ALICE)
        return b"".join([reply.log.data async for reply in replies])

    kinds, text, waited = await asyncio.gather(seen(), read(), get(two, execution.id, wait_s=20))
    assert kinds == ["queued", "started", "log", "log", "finished"]
    assert text == b"first\nsecond\n"
    assert status(waited) == "SUCCESS"


async def test_work_goes_to_the_replica_that_has_a_slot(one: Stack, two: Stack) -> None:
    one.driver.script = [30.0]
    busy = [(await start(one)).id for _ in range(2)]
    for execution_id in busy:
        await until_status(one, execution_id, "RUNNING")
    # `one` is full, and its caller is served by `two`.
    assert status(await calls.run(one, env={"SECRET": "x"})) == "SUCCESS"
    assert two.driver.payloads[0].env["SECRET"] == "x"
    assert await one.pool.fetchval("SELECT count(*) FROM executions WHERE work IS NOT NULL") == 0
    for execution_id in busy:
        await calls.cancel(two, execution_id)


async def test_a_replica_that_stops_gives_back_what_it_never_started(
    settings: ExecutorSettings, two: Stack
) -> None:
    async with replica(named(settings, "one")) as one:
        one.driver.script = [30.0]
        running = await start(one)
        await until_status(one, running.id, "RUNNING")
        one.driver.prepare_s = 30.0
        preparing = await start(one)
        await asyncio.sleep(0.1)
        await one.executor.worker.close()
    assert status(await get(two, preparing.id, wait_s=20)) == "SUCCESS"
    cut = await get(two, running.id)
    assert (status(cut), reason(cut)) == ("FAILED", "EXECUTOR_LOST")
    for execution in (running, preparing):
        await check_events(two, execution.id)


async def test_a_replica_that_stops_lets_its_executions_end(settings: ExecutorSettings) -> None:
    async with replica(named(settings, "one")) as one:
        one.driver.script = [2.0, End(exit_code=0)]
        execution = await start(one)
        await until_status(one, execution.id, "RUNNING")
        await one.executor.worker.close(grace_s=20)
        assert status(await get(one, execution.id)) == "SUCCESS"
        # Nobody takes this one any more; it waits for another replica.
        assert status(await start(one)) == "QUEUED"


async def test_what_is_held_without_anybody_knowing_runs_all_the_same(one: Stack) -> None:
    left = await died(one, started=False)
    # As after a lost reply of the database: the row is ours, and this process has no run.
    await one.pool.execute("UPDATE executions SET owner = 'one' WHERE id = $1", left)
    assert status(await get(one, left, wait_s=20)) == "SUCCESS"
    await check_events(one, left)


async def test_what_has_started_and_has_no_run_any_more_ends(one: Stack) -> None:
    left = await died(one, started=True)
    # As after a fault that kept this process from recording the end.
    await one.pool.execute("UPDATE executions SET owner = 'one' WHERE id = $1", left)
    found = await get(one, left, wait_s=20)
    assert (status(found), reason(found)) == ("FAILED", "EXECUTOR_LOST")
    await check_events(one, left)


async def test_a_failed_start_is_recorded_before_the_skill_runs(
    one: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tries = PostgresExecutionStore.start, 0

    async def start_late(self: PostgresExecutionStore, execution: Execution, event: Event) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            # It had an effect, but the answer was lost.
            await store(self, execution, event)
        if tries < 3:
            assert not one.driver.payloads
            raise DependencyUnavailable("the database does not answer")
        await store(self, execution, event)

    monkeypatch.setattr(PostgresExecutionStore, "start", start_late)
    assert status(await calls.run(one)) == "SUCCESS"
    assert (tries, len(one.driver.payloads)) == (3, 1)
