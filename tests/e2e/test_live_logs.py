"""A skill's lines are seen as they are printed, on every way through Envoy."""

import asyncio
import subprocess
import time
from collections.abc import Sequence

import pytest

from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionLogsRequest,
    RunSkillStreamRequest,
    SkillRun,
)
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from tests.e2e import skills
from tests.e2e.stack import SKILLBOX, Client, environment
from tests.e2e.waiting import until

# Far below the time between two lines, far above what a busy machine needs.
_LATE_S = 0.15

pytestmark = pytest.mark.usefixtures("no_boxes_left")

Seen = tuple[bytes, float]


def check(seen: Sequence[Seen]) -> None:
    """Checks that every line came, soon after it was printed."""
    assert [line.split()[:2] for line, _ in seen] == [
        [b"tick", b"%d" % number] for number in range(skills.TICKS)
    ]
    delays = [at - float(line.split()[2]) for line, at in seen]
    assert max(delays) < _LATE_S, f"seconds from printing to seeing: {delays}"


async def running_ticker(client: Client) -> str:
    """Returns the id of a ticker that has just started."""

    async def find() -> str:
        async with client.http() as http:
            reply = await http.get("/v1/executions?status=running&skill=ticker")
        executions = reply.json()["executions"]
        return executions[0]["execution_id"] if executions else ""

    return await until(find)


async def test_rest(client: Client) -> None:
    await client.push(skills.TICKER)
    run = asyncio.create_task(client.run("ticker"))
    execution_id = await running_ticker(client)
    seen = []
    async with (
        client.http() as http,
        http.stream("GET", f"/v1/executions/{execution_id}/logs?follow=true") as reply,
    ):
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        async for line in reply.aiter_lines():
            seen.append((line.encode(), time.time()))
        assert not run.done() or run.result()["status"] == "success"
    # What was printed before the watch began comes at once, and late by as much.
    check([(line, min(at, float(line.split()[2]))) for line, at in seen[:1]] + seen[1:])
    assert (await run)["logs"].encode().splitlines() == [line for line, _ in seen]


async def test_grpc_stream(client: Client) -> None:
    await client.push(skills.TICKER)
    seen: list[Seen] = []
    async with client.channel() as channel:
        stub = ExecutionServiceStub(channel)
        request = RunSkillStreamRequest(run=SkillRun(skill="ticker"))
        kinds = []
        async for reply in stub.RunSkillStream(request, metadata=client.metadata):
            kinds.append(reply.event.WhichOneof("event"))
            if kinds[-1] == "log":
                seen += [(line, time.time()) for line in reply.event.log.data.splitlines()]
    check(seen)
    assert kinds[:2] == ["queued", "started"]
    assert kinds[-1] == "finished"


async def test_grpc_logs(client: Client) -> None:
    await client.push(skills.TICKER)
    run = asyncio.create_task(client.run("ticker"))
    execution_id = await running_ticker(client)
    seen: list[Seen] = []
    async with client.channel() as channel:
        stub = ExecutionServiceStub(channel)
        request = GetExecutionLogsRequest(id=execution_id, follow=True)
        async for reply in stub.GetExecutionLogs(request, metadata=client.metadata):
            seen += [(line, time.time()) for line in reply.log.data.splitlines()]
    check([(line, min(at, float(line.split()[2]))) for line, at in seen[:1]] + seen[1:])
    assert (await run)["status"] == "success"


async def test_command_line(client: Client) -> None:
    await client.push(skills.TICKER)
    process = await asyncio.create_subprocess_exec(
        *(SKILLBOX, "run", "ticker", "--follow"),
        env=environment(client.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    seen = [(line, time.time()) async for line in process.stderr]
    result = await process.stdout.read()
    assert await process.wait() == 0
    check(seen)
    assert b'"status": "success"' in result
