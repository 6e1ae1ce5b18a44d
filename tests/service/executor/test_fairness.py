"""What a tenant that floods leaves to another one. Counts and orders, no times."""

import asyncio

import grpc
import pytest

from skillbox_executor.config import ExecutorSettings
from skillbox_executor.sandbox.frames import End
from tests.service.executor import calls
from tests.service.executor.calls import get, run, start, status, until_status
from tests.service.executor.conftest import BOB, Stack, replica
from tests.support.failures import failure

_AT_ONCE = """
SELECT max((SELECT count(*) FROM executions AS other WHERE other.tenant_id = one.tenant_id
            AND other.started_at <= one.started_at AND one.started_at < other.finished_at))
FROM executions AS one WHERE tenant_id = 'tenant-a'
"""


def four_slots(settings: ExecutorSettings, **changes: object) -> ExecutorSettings:
    limits = {"max_concurrent_execs": 4, "reserved_execs": 1, "max_queue": 100}
    return settings.model_copy(update={**limits, "tenant_max_queue": 50, **changes})


async def states(stack: Stack) -> list[str]:
    rows = await stack.pool.fetch(
        "SELECT status FROM executions WHERE tenant_id = 'tenant-a' ORDER BY created_at"
    )
    return [row["status"] for row in rows]


async def test_who_is_alone_has_all_slots(settings: ExecutorSettings) -> None:
    async with replica(four_slots(settings)) as stack:
        stack.driver.script = [30.0]
        running = [(await start(stack)).id for _ in range(5)]
        for execution_id in running[:4]:
            await until_status(stack, execution_id, "RUNNING")
        assert await states(stack) == ["running"] * 4 + ["queued"]


@pytest.mark.parametrize("ceiling", [None, 4])
async def test_a_slot_is_left_to_another_tenant(
    settings: ExecutorSettings, ceiling: int | None
) -> None:
    async with replica(four_slots(settings, tenant_max_concurrent=ceiling)) as stack:
        await run(stack, BOB)
        script, stack.driver.script = stack.driver.script, [30.0]
        flood = [(await start(stack)).id for _ in range(6)]
        for execution_id in flood[:3]:
            await until_status(stack, execution_id, "RUNNING")
        stack.driver.script = script
        for _ in range(3):
            # Not behind those who wait, who may not have this slot.
            assert status(await run(stack, BOB)) == "SUCCESS"
        assert await states(stack) == ["running"] * 3 + ["queued"] * 3
        # What was left free is no more than that: their own slots are theirs.
        stack.driver.script = [30.0]
        await calls.cancel(stack, flood[0])
        await until_status(stack, flood[3], "RUNNING")


async def test_a_flood_never_holds_the_last_slot(settings: ExecutorSettings) -> None:
    async with replica(four_slots(settings)) as stack:
        stack.driver.script = [0.02, End(exit_code=0)]
        await run(stack, BOB)
        flood = [asyncio.ensure_future(run(stack)) for _ in range(30)]
        quiet = [await run(stack, BOB) for _ in range(5)]
        assert {status(each) for each in (*quiet, *await asyncio.gather(*flood))} == {"SUCCESS"}
        assert await stack.pool.fetchval(_AT_ONCE) <= 3


async def test_a_flood_that_fills_its_queue_gets_nobody_else_refused(
    settings: ExecutorSettings,
) -> None:
    async with replica(four_slots(settings, max_queue=20, tenant_max_queue=10)) as stack:
        stack.driver.script = [0.2, End(exit_code=0)]
        await run(stack, BOB)
        flooding, refused = True, asyncio.Event()

        async def client() -> None:
            while flooding:
                try:
                    await start(stack)
                except grpc.aio.AioRpcError as error:
                    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                    refused.set()
                await asyncio.sleep(0.002)

        clients = [asyncio.ensure_future(client()) for _ in range(8)]
        await refused.wait()
        quiet = [await run(stack, BOB) for _ in range(10)]
        flooding = False
        await asyncio.gather(*clients)
        assert {status(each) for each in quiet} == {"SUCCESS"}
        # Between the arrival of one of theirs and its start no more of ours began than have
        # slots: it stood behind none of those who waited.
        passed = await stack.pool.fetch(
            "SELECT (SELECT count(*) FROM executions AS other WHERE other.tenant_id = 'tenant-a' "
            "AND other.started_at BETWEEN one.created_at AND one.started_at) AS count "
            "FROM executions AS one WHERE tenant_id = 'tenant-b'"
        )
        assert max(row["count"] for row in passed) <= 4


async def test_who_was_refused_a_moment_ago_costs_little(
    settings: ExecutorSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = {"max_concurrent_execs": 1, "max_queue": 2, "tenant_max_queue": 1}
    async with replica(four_slots(settings, reserved_execs=0, **full)) as stack:
        stack.driver.script = [30.0]
        running = await start(stack)
        await until_status(stack, running.id, "RUNNING")
        waiting = await start(stack)
        first = await failure(start(stack))

        async def asked(*_: object) -> None:
            raise AssertionError("the Registry was asked")

        with monkeypatch.context() as patched:
            patched.setattr(stack.skills, "resolve", asked)
            again = await failure(start(stack))
        assert (again.code, again.message) == (first.code, first.message)
        assert status(await start(stack, BOB)) == "QUEUED"
        # A slot was freed, and with it a place: it is looked at anew.
        await calls.cancel(stack, running.id)
        await until_status(stack, waiting.id, "RUNNING")
        assert status(await get(stack, (await start(stack)).id)) == "QUEUED"
