"""Runs that are started now and waited for later, and keys that keep them from running twice."""

import uuid
from typing import Any

import pytest

from skillbox import APIError
from skillbox import Client as Sdk
from skillbox.aio import AsyncClient
from tests.e2e import skills
from tests.e2e.stack import API_KEY, Client
from tests.examples.both import Both


async def test_a_run_goes_on_by_itself(call: Both) -> None:
    started = await call("start", "slow-count", args=["3"])
    assert started.status in ("queued", "running")
    assert (started.skill_name, started.skill_version) == ("slow-count", "1.0.0")
    ended = await call("wait", started.execution_id)
    assert (ended.status, ended.output) == ("success", {"counted": 3})
    assert ended.created_at and ended.started_at and ended.finished_at
    events = await call("stream", started.execution_id)
    assert [event.type for event in events][:2] == ["queued", "started"]


async def test_waiting_may_end_before(live: Client, call: Both) -> None:
    await live.push(skills.SLEEPER)
    started = await call("start", "sleeper")
    with pytest.raises(TimeoutError, match=f"execution {started.execution_id} has not ended"):
        await call("wait", started.execution_id, timeout=0.3)
    await call("cancel", started.execution_id)
    assert (await call("wait", started.execution_id)).status == "cancelled"


async def test_a_failure_is_no_error(call: Both) -> None:
    started = await call("start", "exit-code", input={"code": 7})
    ended = await call("wait", started.execution_id)
    assert (ended.status, ended.exit_code) == ("failed", 7)


async def test_what_cannot_start_is_refused(call: Both) -> None:
    with pytest.raises(APIError, match="404 not_found: skill not found: no-such-skill@latest"):
        await call("start", "no-such-skill")
    with pytest.raises(APIError, match="404 not_found"):
        await call("wait", str(uuid.uuid4()))


async def test_a_key_is_one_run(call: Both) -> None:
    key = f"order {uuid.uuid4()}"
    first = await call("run", "word-counter", input={"text": "a b"}, idempotency_key=key)
    again = await call("run", "word-counter", input={"text": "a b"}, idempotency_key=key)
    started = await call("start", "word-counter", input={"text": "a b"}, idempotency_key=key)
    assert first.execution_id == again.execution_id == started.execution_id
    assert first.output == again.output
    with pytest.raises(APIError) as caught:
        await call("run", "word-counter", input={"text": "c"}, idempotency_key=key)
    assert (caught.value.status_code, caught.value.error_code) == (422, "idempotency_key_reused")


async def test_a_key_is_the_same_over_rest_and_grpc(live: Client) -> None:
    arguments: dict[str, Any] = {"input": {"text": "a"}, "idempotency_key": str(uuid.uuid4())}
    async with AsyncClient(live.url, API_KEY) as aio:
        first = await aio.run("word-counter", **arguments)
    with Sdk(live.url, API_KEY) as sdk:
        assert sdk.run("word-counter", **arguments).execution_id == first.execution_id


def test_the_command_line(live: Client) -> None:
    id_ = live.cli_ok("run", "slow-count", "--detach", "--", "2").strip()
    assert str(uuid.UUID(id_)) == id_
    waited = live.cli("exec", "wait", id_, "--timeout", "30s")
    assert (waited.returncode, waited.stderr) == (0, "")
    assert '"counted": 2' in waited.stdout
    failing = live.cli_ok("run", "exit-code", "--detach", "--input", '{"code":7}').strip()
    assert live.cli("exec", "wait", failing).returncode == 3
