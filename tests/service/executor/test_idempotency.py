"""Requests that are repeated."""

import asyncio
import json

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from skillbox.executor.v1.execution_service_pb2 import (
    RunSkillRequest,
    RunSkillStreamRequest,
    SkillRun,
)
from skillbox_executor.sandbox.frames import End
from tests.service.executor import calls
from tests.service.executor.calls import get, run, start, status, until_status, with_key
from tests.service.executor.conftest import BOB, Stack, replica
from tests.service.executor.scripted import printed
from tests.support.failures import failure

KEY = with_key("order-17")


async def count(stack: Stack) -> int:
    found: int = await stack.pool.fetchval("SELECT count(*) FROM executions")
    return found


async def test_a_repeated_request_gets_the_first_execution(stack: Stack) -> None:
    stack.driver.script = [*printed("once"), End(exit_code=0)]
    first = await run(stack, KEY, input_json='{"a":1}', env={"A": "1", "B": "2"})
    again = await run(stack, KEY, input_json='{"a":1}', env={"B": "2", "A": "1"})
    assert again == first
    assert (await start(stack, KEY, input_json='{"a": 1}', env={"A": "1", "B": "2"})) == first
    assert (await count(stack), len(stack.driver.payloads)) == (1, 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"input_json": '{"a":2}'},
        {"env": {"A": "1"}},
        {"version": "1.2.3"},
        {"args": ["x"]},
        {"entrypoint": "other.py"},
        {"skill": "other"},
    ],
)
async def test_another_request_with_the_key_is_refused(
    stack: Stack, fields: dict[str, object]
) -> None:
    await run(stack, KEY, input_json='{"a":1}')
    refused = await failure(run(stack, KEY, **{"input_json": '{"a":1}', **fields}))
    assert refused.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refused.reason == "IDEMPOTENCY_KEY_REUSED"
    assert refused.message == "the idempotency key belongs to another request"
    assert await count(stack) == 1


async def test_keys_are_a_tenants_own(stack: Stack) -> None:
    await run(stack, KEY)
    await run(stack, with_key("order-17", BOB), input_json="[1]")
    assert await count(stack) == 2


async def test_every_call_knows_the_same_keys(stack: Stack) -> None:
    first = await start(stack, KEY)
    body = HttpBody(data=b'{"skill":"echo","version":"latest","input":null}')
    reply = await stack.rest.RunSkillRest(body, metadata=KEY)
    assert json.loads(reply.data)["execution_id"] == first.id
    request = RunSkillStreamRequest(run=SkillRun(skill="echo"))
    replies = [each async for each in stack.grpc.RunSkillStream(request, metadata=KEY)]
    assert [each.event.WhichOneof("event") for each in replies][0::2] == ["queued", "finished"]
    assert replies[-1].execution.id == first.id
    assert await count(stack) == 1


async def test_a_hundred_at_once_run_once(stack: Stack) -> None:
    stack.driver.script = [0.3, End(exit_code=0)]
    settings = stack.settings.model_copy(update={"executor_id": "other"})
    async with replica(settings) as other:
        replies = await asyncio.gather(
            *(run(each, KEY) for each in [stack, other] * 50),
        )
    assert len({reply.id for reply in replies}) == 1
    assert {status(reply) for reply in replies} == {"SUCCESS"}
    assert await count(stack) == 1
    assert len(stack.driver.payloads) + len(other.driver.payloads) == 1


async def test_a_refusal_is_repeated_too(stack: Stack) -> None:
    first = await run(stack, KEY, version="9.9.9")
    assert first.error == "loading skill: skill not found: echo@9.9.9"
    assert await run(stack, KEY, version="9.9.9") == first
    assert await count(stack) == 1


async def test_what_was_turned_away_did_not_use_the_key(stack: Stack) -> None:
    stack.driver.script = [30.0]
    taken = [await start(stack) for _ in range(4)]
    assert (await failure(start(stack, KEY))).reason == "CAPACITY_EXHAUSTED"
    for execution in taken:
        await calls.cancel(stack, execution.id)
    stack.driver.script = [End(exit_code=0)]
    assert status(await run(stack, KEY)) == "SUCCESS"
    # A full queue is no obstacle to those who have an execution already.
    stack.driver.script = [30.0]
    taken = [await start(stack) for _ in range(4)]
    assert status(await run(stack, KEY)) == "SUCCESS"
    for execution in taken:
        await calls.cancel(stack, execution.id)


async def test_who_has_a_key_may_leave_and_come_back(stack: Stack) -> None:
    stack.driver.script = [2.0, End(exit_code=0)]
    request = RunSkillRequest(run=SkillRun(skill="echo"))
    call = stack.grpc.RunSkill(request, metadata=KEY)
    execution = await start(stack, KEY)
    await until_status(stack, execution.id, "RUNNING")
    call.cancel()
    again = await run(stack, KEY)
    assert (again.id, status(again)) == (execution.id, "SUCCESS")


async def test_a_key_is_forgotten_in_the_end(stack: Stack) -> None:
    first = await run(stack, KEY)
    await stack.pool.execute("UPDATE executions SET created_at = now() - interval '25 hours'")
    second = await run(stack, KEY, input_json="[1]")
    assert first.id != second.id
    assert status(await get(stack, first.id)) == "SUCCESS"


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none(stack: Stack, key: str) -> None:
    refused = await failure(start(stack, with_key(key)))
    assert refused.code == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.message.startswith("idempotency-key: ")
    assert await count(stack) == 0


async def test_two_keys_are_none(stack: Stack) -> None:
    refused = await failure(start(stack, (*KEY, ("idempotency-key", "another"))))
    assert refused.reason == "INVALID_ARGUMENT"
    longest = with_key("x" * 255)
    assert (await start(stack, longest)).id == (await start(stack, longest)).id
