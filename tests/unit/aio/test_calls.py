import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import grpc
import pytest

from skillbox import APIError, Client, Event, wire
from skillbox.aio import AsyncClient
from skillbox.executor.v1 import event_pb2, execution_pb2
from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionLogsResponse,
    RunSkillStreamResponse,
    StartExecutionResponse,
    WatchExecutionResponse,
)
from skillbox_common.error_catalogue import CATALOGUE
from tests.support.parts import free_port
from tests.unit.aio.fake_server import refuse, serve


def log(data: bytes, seq: int = 1) -> RunSkillStreamResponse:
    event = event_pb2.ExecutionEvent(
        seq=seq, log=event_pb2.Log(stream=event_pb2.LOG_STREAM_STDOUT, data=data)
    )
    return RunSkillStreamResponse(event=event)


def finished(**members: Any) -> RunSkillStreamResponse:
    execution = execution_pb2.Execution(
        **{"id": "e1", "status": execution_pb2.EXECUTION_STATUS_SUCCESS, **members}
    )
    event = event_pb2.ExecutionEvent(seq=2, finished=event_pb2.Finished(status=execution.status))
    return RunSkillStreamResponse(event=event, execution=execution)


def signature(method: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(method).parameters.values()
    return [(item.name, item.kind, item.default) for item in parameters]


def test_it_has_every_method_of_the_other_client() -> None:
    names = {name for name in vars(Client) if not name.startswith("_")}
    assert {name for name in vars(AsyncClient) if not name.startswith("_")} == names
    for name in names | {"__init__"}:
        here = [item for item in signature(getattr(AsyncClient, name)) if item[0] != "on_event"]
        assert here == signature(getattr(Client, name)), name


async def test_a_run_sends_what_was_given() -> None:
    seen: list[tuple[Any, dict[str, str]]] = []

    async def run(request: Any, context: Any) -> AsyncIterator[RunSkillStreamResponse]:
        seen.append((request.run, dict(context.invocation_metadata())))
        yield finished(output_json='{"big":12345678901234567890}', logs="hi\n")

    async with serve(RunSkillStream=run) as url, AsyncClient(url, "sk-a", tenant_id="t") as client:
        result = await client.run(
            "echo", version="1.0.0", input={"n": 2**70}, env={"A": "b"}, entrypoint="x", args=["y"]
        )
        await client.run("echo")
    assert result.output == {"big": 12345678901234567890}
    assert (result.execution_id, result.status, result.logs) == ("e1", "success", "hi\n")
    (sent, metadata), (bare, _) = seen
    assert (sent.skill, sent.version, sent.entrypoint, list(sent.args)) == (
        "echo",
        "1.0.0",
        "x",
        ["y"],
    )
    assert (sent.input_json, dict(sent.env)) == ('{"n": 1180591620717411303424}', {"A": "b"})
    assert (metadata["authorization"], metadata["x-tenant-id"]) == ("Bearer sk-a", "t")
    assert bare.WhichOneof("payload") is None


@pytest.mark.parametrize("arguments", [{"input": float("nan")}, {"input_json": "{"}])
async def test_input_must_be_json(arguments: dict[str, Any]) -> None:
    async with AsyncClient("http://localhost") as client:
        with pytest.raises(ValueError):
            await client.run("echo", **arguments)


async def test_events_come_while_the_skill_runs() -> None:
    heard = asyncio.Event()

    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        yield log(b"caf\xc3")
        async with asyncio.timeout(20):
            await heard.wait()
        yield finished()

    events: list[Event] = []

    async def on_event(event: Event) -> None:
        events.append(event)
        heard.set()

    async with serve(RunSkillStream=run) as url, AsyncClient(url) as client:
        await client.run("echo", on_event=on_event)
    assert [(event.seq, event.type) for event in events] == [(1, "log"), (2, "finished")]
    assert events[0].data["data"] == "caf\ufffd"
    assert events[1].data["status"] == "success"


async def test_cancelling_the_task_cancels_the_run() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        yield finished()

    async with serve(RunSkillStream=run) as url, AsyncClient(url) as client:
        task = asyncio.create_task(client.run("echo"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            await ended.wait()


async def test_a_run_has_a_time_limit() -> None:
    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        await asyncio.sleep(60)
        yield finished()

    async with serve(RunSkillStream=run) as url, AsyncClient(url, timeout=0.1) as client:
        with pytest.raises(APIError) as caught:
            await client.run("echo")
    assert caught.value.status_code == 0


async def test_a_stream_without_an_end_is_an_error() -> None:
    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        yield log(b"x")

    async with serve(RunSkillStream=run) as url, AsyncClient(url) as client:
        with pytest.raises(APIError, match="the stream ended before the run did"):
            await client.run("echo")


async def test_integers_that_python_does_not_read_keep_their_digits() -> None:
    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        yield finished(output_json="9" * 5000)

    async with serve(RunSkillStream=run) as url, AsyncClient(url) as client:
        assert (await client.run("echo")).output == Decimal("9" * 5000)


async def test_output_that_cannot_be_parsed_is_an_error() -> None:
    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        yield finished(output_json="[" * 5000)

    async with serve(RunSkillStream=run) as url, AsyncClient(url) as client:
        with pytest.raises(APIError, match="the reply cannot be read"):
            await client.run("echo")


async def test_a_result_may_be_larger_than_a_message_usually_is() -> None:
    output = json.dumps("x" * 4 * 1024 * 1024)

    async def run(_: Any, __: Any) -> AsyncIterator[RunSkillStreamResponse]:
        yield finished(output_json=output, logs="y" * 1024 * 1024)

    async with serve(RunSkillStream=run) as url, AsyncClient(url) as client:
        assert (await client.run("echo")).output_json == output


async def test_characters_in_two_pieces_of_a_log_are_joined() -> None:
    async def logs(_: Any, __: Any) -> AsyncIterator[GetExecutionLogsResponse]:
        for data in (b"gr\xc3", b"\xbcn", b"\xff", b"\xc3"):
            yield GetExecutionLogsResponse(log=event_pb2.Log(data=data))

    async with serve(GetExecutionLogs=logs) as url, AsyncClient(url) as client:
        assert await client.get_execution_logs("e1") == "grün\ufffd\ufffd"
        assert [text async for text in client.follow_logs("e1")] == ["gr", "ün", "\ufffd", "\ufffd"]


async def test_leaving_a_stream_ends_the_call() -> None:
    ended = asyncio.Event()

    async def watch(request: Any, __: Any) -> AsyncIterator[WatchExecutionResponse]:
        try:
            while True:
                yield WatchExecutionResponse(event=log(b"x", request.after_seq + 1).event)
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with serve(WatchExecution=watch) as url, AsyncClient(url) as client:
        events = client.stream("e1", after_seq=7)
        assert (await anext(events)).seq == 8
        await events.aclose()
        async with asyncio.timeout(20):
            await ended.wait()


@pytest.mark.parametrize("reason", sorted(CATALOGUE))
async def test_each_error_of_the_catalogue_is_that_of_rest(reason: str) -> None:
    known = CATALOGUE[reason]

    async def get(_: Any, context: Any) -> None:
        await refuse(context, known.grpc_code, "why", reason=reason)

    async with serve(GetExecution=get) as url, AsyncClient(url, max_retries=0) as client:
        with pytest.raises(APIError) as caught:
            await client.get_execution("e1")
    error = caught.value
    assert (error.status_code, error.error_code, error.message) == (
        known.http_status,
        known.rest_code,
        "why",
    )


@pytest.mark.parametrize(
    ("code", "status", "error_code"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, 404, "not_found"),
        (grpc.StatusCode.INTERNAL, 500, "internal_error"),
        (grpc.StatusCode.DATA_LOSS, 0, ""),
    ],
)
async def test_errors_that_give_no_reason(
    code: grpc.StatusCode, status: int, error_code: str
) -> None:
    async def get(_: Any, context: Any) -> None:
        await refuse(context, code)

    async with serve(GetExecution=get) as url, AsyncClient(url) as client:
        with pytest.raises(APIError) as caught:
            await client.get_execution("e1")
    assert (caught.value.status_code, caught.value.error_code) == (status, error_code)


async def test_no_server_is_status_0() -> None:
    async with AsyncClient(f"http://127.0.0.1:{free_port()}", "sk-secret") as client:
        with pytest.raises(APIError, match="Connection refused") as caught:
            await client.list_skills()
    assert caught.value.status_code == 0
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:8080", "http://localhost/skillbox"])
def test_a_bad_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        AsyncClient(url)


async def test_an_unknown_status_is_a_bad_request() -> None:
    async with AsyncClient("http://localhost") as client:
        with pytest.raises(APIError, match="400 bad_request: status: 'lost'"):
            await client.list_executions(status="lost")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8080", ("localhost:8080", False)),
        ("http://example.org", ("example.org:80", False)),
        ("https://example.org", ("example.org:443", True)),
        ("http://[::1]:9", ("[::1]:9", False)),
    ],
)
def test_the_address(url: str, expected: tuple[str, bool]) -> None:
    assert wire.target(url) == expected


async def test_a_run_is_started_and_waited_for() -> None:
    seen: list[Any] = []
    states = ["QUEUED", "RUNNING", "FAILED"]

    async def start(request: Any, context: Any) -> StartExecutionResponse:
        seen.append((request.run.skill, dict(context.invocation_metadata())["idempotency-key"]))
        status = execution_pb2.EXECUTION_STATUS_QUEUED
        return StartExecutionResponse(execution=execution_pb2.Execution(id="e1", status=status))

    async def get(request: Any, _: Any) -> execution_pb2.Execution:
        seen.append((request.id, request.wait.ToTimedelta().total_seconds()))
        return execution_pb2.Execution(id="e1", status=f"EXECUTION_STATUS_{states.pop(0)}")

    async with serve(StartExecution=start, GetExecution=get) as url, AsyncClient(url) as client:
        started = await client.start("echo", idempotency_key="order 7")
        assert (started.execution_id, started.status) == ("e1", "queued")
        assert (await client.wait("e1")).status == "failed"
        assert seen == [("echo", "order 7"), *[("e1", 30)] * 3]
        states.append("RUNNING")
        with pytest.raises(TimeoutError, match="execution e1 has not ended in time"):
            await client.wait("e1", timeout=0)
