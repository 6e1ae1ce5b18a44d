"""What is repeated: the same as in the other client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
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
    StartExecutionResponse,
    WatchExecutionResponse,
)
from skillbox.registry.v1.skill_pb2 import Skill
from skillbox.registry.v1.skill_service_pb2 import UploadSkillResponse
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
    keys: list[str] = field(default_factory=list)

    async def check(self, context: Any) -> None:
        self.calls += 1
        metadata = dict(context.invocation_metadata())
        self.keys.append(str(metadata.get("idempotency-key", "")))
        if self.calls <= self.times:
            code, reason, retry_after = self.refusal
            await refuse(context, grpc.StatusCode[code], reason=reason, retry_after=retry_after)

    async def get(self, _: Any, context: Any) -> execution_pb2.Execution:
        await self.check(context)
        return execution_pb2.Execution(id="e1", status=execution_pb2.EXECUTION_STATUS_SUCCESS)

    async def run(self, _: Any, context: Any) -> AsyncIterator[RunSkillStreamResponse]:
        await self.check(context)
        yield RunSkillStreamResponse(execution=await self.get(_, context))

    async def start(self, _: Any, context: Any) -> StartExecutionResponse:
        return StartExecutionResponse(execution=await self.get(_, context))

    async def cancel(self, _: Any, context: Any) -> None:
        await self.check(context)

    async def upload(self, requests: Any, context: Any) -> UploadSkillResponse:
        content = b"".join([request.chunk async for request in requests])
        await self.check(context)
        return UploadSkillResponse(skill=Skill(name=f"{len(content)} bytes"))


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


def run_with_key(client: AsyncClient) -> Awaitable[object]:
    return client.run("echo", idempotency_key="order 7")


def start(client: AsyncClient) -> Awaitable[object]:
    return client.start("echo")


def cancel(client: AsyncClient) -> Awaitable[object]:
    return client.cancel("e1")


def serve_all(busy: Busy) -> AbstractAsyncContextManager[str]:
    return serve(
        GetExecution=busy.get,
        RunSkillStream=busy.run,
        StartExecution=busy.start,
        CancelExecution=busy.cancel,
        UploadSkill=busy.upload,
    )


@pytest.mark.parametrize(
    ("call", "refusal", "waits"),
    [
        (get, FULL, [1.25, 1.25]),
        (get, DOWN, [0.3125, 0.625]),
        (run, FULL, [1.25, 1.25]),
        (run_with_key, DOWN, [0.3125, 0.625]),
        (start, DOWN, [0.3125, 0.625]),
    ],
)
async def test_repeated(
    slept: list[float], call: Call, refusal: tuple[str, str, str], waits: list[float]
) -> None:
    busy = Busy(refusal, times=2)
    async with serve_all(busy) as url, AsyncClient(url) as client:
        await call(client)
    assert slept == waits
    # A run is repeated with its key. A key of which the caller knows nothing would keep the run
    # going when he leaves.
    keys = set(busy.keys[:3])
    assert len(keys) == 1
    assert ("" in keys) == (call in (get, run))


@pytest.mark.parametrize(
    ("call", "refusal"),
    [(get, BROKEN), (run, BROKEN), (run, DOWN), (start, BROKEN), (cancel, DOWN)],
)
async def test_not_repeated(slept: list[float], call: Call, refusal: tuple[str, str, str]) -> None:
    busy = Busy(refusal, times=9)
    async with serve_all(busy) as url, AsyncClient(url) as client:
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


async def test_an_upload_is_repeated_whole(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(bytes(600_000))
    busy = Busy(FULL, times=1)
    sent: list[int] = []
    async with serve_all(busy) as url, AsyncClient(url) as client:
        stored = await client.upload_skill(tmp_path / "a.zip", progress=sent.append)
    assert stored.name == "600000 bytes"
    assert busy.calls == 2
    assert len(set(busy.keys)) == 1
    # Each byte is told once.
    assert sum(sent) == 600_000


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
