"""What a single call and reply cannot show: executions that run, events, addresses of files."""

import asyncio
import io
import itertools
import json
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from skillbox.executor.v1.execution_pb2 import (
    EXECUTION_STATUS_CANCELLED,
    EXECUTION_STATUS_RUNNING,
)
from skillbox.executor.v1.execution_service_pb2 import (
    CancelExecutionRequest,
    GetExecutionRequest,
    RunSkillRequest,
    SkillRun,
    WatchExecutionRequest,
)
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from tests.contract.setting import Setting
from tests.e2e.waiting import until

pytestmark = pytest.mark.bubblewrap


class Caller:
    """Talks to the stack over both transports, with one key."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.headers = {"Authorization": f"Bearer {setting.keys['admin']}"}
        self.metadata = [("authorization", self.headers["Authorization"])]
        self.stub = ExecutionServiceStub(setting.channel)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        reply = await self.setting.http.get(path, headers={**self.headers, **headers})
        assert reply.status_code == 200, reply.text
        return reply

    async def run_over_rest(self) -> object:
        return await self.setting.http.post(
            "/v1/executions", json={"skill": "sleeping"}, headers=self.headers
        )

    async def run_over_grpc(self) -> object:
        request = RunSkillRequest(run=SkillRun(skill="sleeping"))
        return await self.stub.RunSkill(request, metadata=self.metadata)

    async def running(self) -> str:
        """Returns the id of the execution that sleeps, once it does."""

        async def found() -> str:
            page = (await self.get("/v1/executions?skill=sleeping&status=running")).json()
            return page["executions"][0]["execution_id"] if page["executions"] else ""

        return await until(found)

    async def record(self, execution_id: str) -> dict[str, Any]:
        record: dict[str, Any] = (await self.get(f"/v1/executions/{execution_id}")).json()
        return record

    async def cancelled(self, execution_id: str) -> dict[str, Any]:
        """Returns the record of an execution, once it has ended, and how."""

        async def ended() -> dict[str, Any] | None:
            record = await self.record(execution_id)
            return record if record["status"] != "running" else None

        record = await until(ended)
        assert record is not None
        assert (record["status"], record["error"]) == ("cancelled", "execution cancelled")
        return record


@pytest.fixture
async def caller(setting: Setting) -> Caller:
    return Caller(setting)


RUNS: list[Callable[[Caller], Awaitable[object]]] = [Caller.run_over_rest, Caller.run_over_grpc]


@pytest.mark.parametrize("run", RUNS)
async def test_a_caller_that_leaves_cancels_its_run(
    caller: Caller, run: Callable[[Caller], Awaitable[object]]
) -> None:
    task = asyncio.ensure_future(run(caller))
    execution_id = await caller.running()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await caller.cancelled(execution_id)


async def test_an_execution_that_runs_can_be_seen_and_cancelled(caller: Caller) -> None:
    task = asyncio.ensure_future(caller.run_over_rest())
    execution_id = await caller.running()
    record = await caller.record(execution_id)
    assert (record["status"], record["input"], record["duration_ms"]) == ("running", {}, 0)
    assert record["started_at"]
    assert not {"finished_at", "output", "files_url", "files_list", "exit_code"} & set(record)
    seen = await caller.stub.GetExecution(
        GetExecutionRequest(id=execution_id), metadata=caller.metadata
    )
    assert (seen.status, seen.HasField("finished_at")) == (EXECUTION_STATUS_RUNNING, False)
    reply = await caller.stub.CancelExecution(
        CancelExecutionRequest(id=execution_id), metadata=caller.metadata
    )
    assert reply.execution.id == execution_id
    assert (await caller.cancelled(execution_id))["finished_at"]
    result = await task
    assert isinstance(result, httpx.Response)
    assert (result.status_code, result.json()["status"]) == (200, "cancelled")
    seen = await caller.stub.GetExecution(
        GetExecutionRequest(id=execution_id), metadata=caller.metadata
    )
    assert seen.status == EXECUTION_STATUS_CANCELLED


async def test_an_address_of_files_is_new_each_time_and_needs_no_key(caller: Caller) -> None:
    execution_id = caller.setting.values["full_run"]
    first = (await caller.record(execution_id))["files_url"]
    await asyncio.sleep(1)  # what is signed holds the time in seconds
    second = (await caller.record(execution_id))["files_url"]
    assert first != second
    async with httpx.AsyncClient(trust_env=False) as anybody:
        for url in (first, second):
            reply = await anybody.get(url)
            assert reply.status_code == 200
            with tarfile.open(fileobj=io.BytesIO(reply.content)) as files:
                content = files.extractfile("a.txt")
                assert content is not None
                assert content.read() == b"a"
        assert (await anybody.get(first.replace("Signature=", "Signature=0"))).status_code == 403


async def test_an_address_of_files_is_the_one_that_the_caller_used(caller: Caller) -> None:
    execution_id = caller.setting.values["full_run"]
    known_as = {"Host": "box.example:81"}
    record = await caller.get(f"/v1/executions/{execution_id}", **known_as)
    url = httpx.URL(record.json()["files_url"])
    assert (url.scheme, url.netloc) == ("http", b"box.example:81")
    here = caller.setting.http.base_url
    async with httpx.AsyncClient(trust_env=False) as anybody:
        direct = url.copy_with(host=here.host, port=here.port)
        assert (await anybody.get(direct, headers=known_as)).status_code == 200
        assert (await anybody.get(direct)).status_code == 403


async def events(caller: Caller, query: str = "", **headers: str) -> list[tuple[int, str, Any]]:
    """Reads Server-Sent Events to their end."""
    path = f"/v1/executions/{caller.setting.values['full_run']}/events{query}"
    reply = await caller.get(path, **headers)
    assert reply.headers["content-type"] == "text/event-stream"
    found = []
    for block in reply.text.removesuffix("\n\n").split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n")]
        assert [name for name, _, _ in lines] == ["id", "event", "data"]
        (_, _, number), (_, _, kind), (_, _, data) = lines
        found.append((int(number), kind, json.loads(data)))
    return found


async def test_events_over_both_transports(caller: Caller) -> None:
    found = await events(caller)
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    # What is printed at once may come in several events.
    kinds = [kind for kind, _ in itertools.groupby(kind for _, kind, _ in found)]
    assert kinds == ["queued", "started", "log", "artifact", "finished"]
    request = WatchExecutionRequest(id=caller.setting.values["full_run"])
    watched = [
        reply.event async for reply in caller.stub.WatchExecution(request, metadata=caller.metadata)
    ]
    assert [(event.seq, event.WhichOneof("event")) for event in watched] == [
        (number, kind) for number, kind, _ in found
    ]
    printed = "".join(data["data"] for _, kind, data in found if kind == "log")
    assert printed.encode() == b"".join(event.log.data for event in watched) == b"hello\n"


async def test_events_go_on_where_they_were_cut(caller: Caller) -> None:
    whole = await events(caller)
    assert await events(caller, "?after_seq=2") == whole[2:]
    assert await events(caller, **{"Last-Event-ID": "3"}) == whole[3:]
    assert await events(caller, "?after_seq=1", **{"Last-Event-ID": "3"}) == whole[3:]
    request = WatchExecutionRequest(id=caller.setting.values["full_run"], after_seq=2)
    resumed = caller.stub.WatchExecution(request, metadata=caller.metadata)
    assert [reply.event.seq async for reply in resumed] == [number for number, _, _ in whole[2:]]
