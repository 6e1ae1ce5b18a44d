"""Events move to the object store, and old executions are forgotten."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from skillbox.executor.v1.execution_pb2 import Execution
from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionLogsRequest,
    GetExecutionRequest,
    WatchExecutionRequest,
)
from skillbox_common import object_store
from skillbox_common.errors import DependencyUnavailable
from skillbox_common.object_store import ObjectNotFound, ObjectStore
from skillbox_executor.commands.sweep import Sweep
from skillbox_executor.domain import Execution as Row
from skillbox_executor.history import history_key
from skillbox_executor.sandbox.frames import End, Output
from skillbox_executor.store.postgres import PostgresExecutionStore
from skillbox_executor.store.retention import PostgresRetention
from tests.service.executor.calls import get, run, start, until_status
from tests.service.executor.conftest import ALICE, Stack
from tests.service.executor.scripted import tar
from tests.support.failures import failure

NEVER = 3600.0


@pytest.fixture
async def objects(stack: Stack) -> AsyncIterator[ObjectStore]:
    async with object_store.connect(stack.settings, "executions") as store:
        yield store


def sweep(
    stack: Stack, objects: ObjectStore, move_after_s: float, forget_after_s: float | None
) -> Sweep:
    return Sweep(
        PostgresExecutionStore(stack.pool, "sweeper"),
        PostgresRetention(stack.pool),
        objects,
        move_after_s=move_after_s,
        forget_after_s=forget_after_s,
    )


async def talkative(stack: Stack) -> Execution:
    """Runs a skill that prints more than one line, some of it no text, and leaves a file."""
    stack.driver.script = [
        Output("stdout", b"one\n"),
        0.05,
        Output("stderr", b"\xff\x00two\n"),
        tar({"files/report.txt": b"report"}),
        End(exit_code=0),
    ]
    return await run(stack)


async def watch(stack: Stack, execution_id: str, after_seq: int = 0) -> list[bytes]:
    call = stack.grpc.WatchExecution(
        WatchExecutionRequest(id=execution_id, after_seq=after_seq), metadata=ALICE
    )
    return [reply.event.SerializeToString(deterministic=True) async for reply in call]


async def logs(stack: Stack, execution_id: str) -> bytes:
    call = stack.grpc.GetExecutionLogs(GetExecutionLogsRequest(id=execution_id), metadata=ALICE)
    return b"".join([reply.log.data async for reply in call])


async def rows(stack: Stack, execution_id: str) -> int:
    count: int = await stack.pool.fetchval(
        "SELECT count(*) FROM events WHERE execution_id = $1", execution_id
    )
    return count


def files_key(execution: Execution) -> str:
    return f"{execution.tenant_id}/{execution.id}/files.tar.gz"


async def test_nobody_sees_that_events_were_moved(stack: Stack, objects: ObjectStore) -> None:
    execution = await talkative(stack)
    events = await watch(stack, execution.id)
    assert len(events) == await rows(stack, execution.id) >= 5

    await sweep(stack, objects, NEVER, None)()
    assert await rows(stack, execution.id) == len(events)
    await sweep(stack, objects, 0, None)()
    assert await rows(stack, execution.id) == 0

    assert await watch(stack, execution.id) == events
    assert await watch(stack, execution.id, after_seq=2) == events[2:]
    assert await watch(stack, execution.id, after_seq=len(events)) == []
    assert await logs(stack, execution.id) == b"one\n\xff\x00two\n"
    assert (await get(stack, execution.id)).logs == execution.logs


async def test_what_goes_on_is_left_alone(stack: Stack, objects: ObjectStore) -> None:
    stack.driver.script = [Output("stdout", b"one\n"), 2.0, End(exit_code=0)]
    execution = await start(stack)
    await until_status(stack, execution.id, "RUNNING")
    await sweep(stack, objects, 0, 0)()
    assert await rows(stack, execution.id) > 0
    await until_status(stack, execution.id, "SUCCESS")


async def test_two_sweeps_at_once(stack: Stack, objects: ObjectStore) -> None:
    executions = [await talkative(stack) for _ in range(3)]
    before = [await watch(stack, each.id) for each in executions]
    await asyncio.gather(*(sweep(stack, objects, 0, None)() for _ in range(4)))
    assert [await watch(stack, each.id) for each in executions] == before


async def test_a_late_sweep_does_not_overwrite(stack: Stack, objects: ObjectStore) -> None:
    execution = await talkative(stack)
    events = await watch(stack, execution.id)
    retention = PostgresRetention(stack.pool)
    (found,) = await retention.to_move(0, 10)
    await sweep(stack, objects, 0, None)()

    looks = iter([[found]])

    class Late(PostgresRetention):
        """Has looked before the other sweep."""

        async def to_move(self, age_s: float, limit: int) -> list[Row]:
            return next(looks, [])

    late = sweep(stack, objects, 0, None)
    late._retention = Late(stack.pool)
    await late()
    assert await watch(stack, execution.id) == events


async def test_the_old_is_forgotten_with_its_objects(stack: Stack, objects: ObjectStore) -> None:
    old = await talkative(stack)
    await sweep(stack, objects, 0, None)()
    await stack.pool.execute("UPDATE executions SET finished_at = finished_at - interval '2 hours'")
    young = await talkative(stack)

    await sweep(stack, objects, 0, NEVER)()
    gone = await failure(stack.grpc.GetExecution(GetExecutionRequest(id=old.id), metadata=ALICE))
    assert gone.code is grpc.StatusCode.NOT_FOUND
    for key in (files_key(old), history_key(old.tenant_id, old.id)):
        with pytest.raises(ObjectNotFound):
            await objects.get(key)
    assert (await get(stack, young.id)).logs == young.logs
    assert await objects.get(files_key(young))


async def test_nothing_is_forgotten_by_half(
    stack: Stack, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await talkative(stack)

    async def away(key: str) -> None:
        raise DependencyUnavailable("the object store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(objects, "delete", away)
        with pytest.raises(DependencyUnavailable):
            await sweep(stack, objects, NEVER, 0)()
    assert (await get(stack, execution.id)).logs == execution.logs
    await sweep(stack, objects, NEVER, 0)()
    assert not await stack.pool.fetch("SELECT FROM executions")


async def test_events_with_a_gap_are_moved_too(stack: Stack, objects: ObjectStore) -> None:
    execution = await talkative(stack)
    await stack.pool.execute("DELETE FROM events WHERE execution_id = $1 AND seq = 2", execution.id)
    async with asyncio.timeout(20):
        await sweep(stack, objects, 0, None)()
    assert await rows(stack, execution.id) == 0
