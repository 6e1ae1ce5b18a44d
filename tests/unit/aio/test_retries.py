"""What is repeated: the same as in the other client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from skillbox import APIError
from skillbox.aio import AsyncClient
from skillbox.executor.v1 import event_pb2, execution_pb2
from skillbox.executor.v1.execution_service_pb2 import (
    RunSkillStreamResponse,
    WatchExecutionResponse,
)
from tests.unit.aio.fake_server import refuse, serve

FULL = ("RESOURCE_EXHAUSTED", "CAPACITY_EXHAUSTED", "1")
DOWN = ("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE", "")
BROKEN = ("INTERNAL", "INTERNAL", "")


@dataclass
class Busy:
    """Refuses so many calls and then answers."""

    refusal: tuple[str, str, str]
    times: int
    calls: int = field(default=0)

    async def check(self, context: Any) -> None:
        self.calls += 1
        if self.calls <= self.times:
            code, reason, retry_after = self.refusal
            await refuse(context, grpc.StatusCode[code], reason=reason, retry_after=retry_after)

    async def get(self, _: Any, context: Any) -> execution_pb2.Execution:
        await self.check(context)
        return execution_pb2.Execution(id="e1", status=execution_pb2.EXECUTION_STATUS_SUCCESS)

    async def run(self, _: Any, context: Any) -> AsyncIterator[RunSkillStreamResponse]:
        await self.check(context)
        yield RunSkillStreamResponse(execution=await self.get(_, context))

    async def upload(self, _: Any, context: Any) -> None:
        await self.check(context)


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    return waits


Call = Callable[[AsyncClient], Awaitable[object]]


def get(client: AsyncClient) -> Awaitable[object]:
    return client.get_execution("e1")


def run(client: AsyncClient) -> Awaitable[object]:
    return client.run("echo")


@pytest.mark.parametrize(
    ("call", "refusal", "waits"),
    [
        (get, FULL, [1.25, 1.25]),
        (get, DOWN, [0.3125, 0.625]),
        (run, FULL, [1.25, 1.25]),
    ],
)
async def test_repeated(
    slept: list[float], call: Call, refusal: tuple[str, str, str], waits: list[float]
) -> None:
    busy = Busy(refusal, times=2)
    async with (
        serve(GetExecution=busy.get, RunSkillStream=busy.run) as url,
        AsyncClient(url) as client,
    ):
        await call(client)
    assert slept == waits


@pytest.mark.parametrize(
    ("call", "refusal"),
    [(get, BROKEN), (run, BROKEN), (run, DOWN), (run, ("RESOURCE_EXHAUSTED", "", ""))],
)
async def test_not_repeated(slept: list[float], call: Call, refusal: tuple[str, str, str]) -> None:
    busy = Busy(refusal, times=9)
    async with (
        serve(GetExecution=busy.get, RunSkillStream=busy.run) as url,
        AsyncClient(url) as client,
    ):
        with pytest.raises(APIError):
            await call(client)
    assert (busy.calls, slept) == (1, [])


@pytest.mark.parametrize("max_retries", [0, 2])
async def test_there_is_an_end(max_retries: int) -> None:
    busy = Busy(FULL, times=9)
    async with (
        serve(GetExecution=busy.get) as url,
        AsyncClient(url, max_retries=max_retries) as client,
    ):
        with pytest.raises(APIError) as caught:
            await client.get_execution("e1")
    assert (caught.value.status_code, caught.value.retry_after) == (429, 1)
    assert busy.calls == max_retries + 1


async def test_an_upload_is_sent_once(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    busy = Busy(FULL, times=9)
    async with serve(UploadSkill=busy.upload) as url, AsyncClient(url) as client:
        with pytest.raises(APIError):
            await client.register_skill(tmp_path / "a.zip")
    assert busy.calls == 1


async def test_a_stream_that_breaks_off_is_not_begun_again() -> None:
    calls = []

    async def watch(request: Any, context: Any) -> AsyncIterator[WatchExecutionResponse]:
        calls.append(request)
        yield WatchExecutionResponse(event=event_pb2.ExecutionEvent(seq=1, queued={}))
        await refuse(context, grpc.StatusCode.UNAVAILABLE, reason="DEPENDENCY_UNAVAILABLE")

    async with serve(WatchExecution=watch) as url, AsyncClient(url) as client:
        events = client.stream("e1")
        assert (await anext(events)).type == "queued"
        with pytest.raises(APIError):
            await anext(events)
    assert len(calls) == 1
