"""A skill's lines are seen as they are printed, on every way through Envoy."""

import asyncio
import json
import subprocess
import time

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

# Before the next line is printed, and far above what a busy machine needs.
_LATE_S = 0.75 * skills.TICK_S

pytestmark = pytest.mark.usefixtures("single_use")


class Watch:
    """Takes pieces of log and remembers when each line was complete."""

    def __init__(self) -> None:
        self.since = time.time()
        self.lines: list[bytes] = []
        self._times: list[float] = []
        self._rest = b""

    def take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += lines
        self._times += [time.time()] * len(lines)

    def check(self) -> None:
        """Checks that every line came, soon after it was printed or the watch began."""
        assert [line.split()[:2] for line in self.lines] == [
            [b"tick", b"%d" % number] for number in range(skills.TICKS)
        ]
        assert not self._rest
        delays = [
            at - max(float(line.split()[2]), self.since)
            for line, at in zip(self.lines, self._times, strict=True)
        ]
        # One may be late, when a process stands still. Lines that are held back all are.
        *others, latest = sorted(delays)
        told = f"seconds from printing to seeing: {delays}"
        assert max(others) < _LATE_S, told
        assert latest < 2 * skills.TICK_S, told


async def test_rest(client: Client) -> None:
    await client.push(skills.TICKER)
    run = asyncio.create_task(client.run("ticker"))
    execution_id = await until(lambda: client.running("ticker"))
    async with client.http() as http:
        watch = Watch()
        path = f"/v1/executions/{execution_id}/logs?follow=true"
        async with http.stream("GET", path) as reply:
            assert reply.headers["content-type"] == "text/plain; charset=utf-8"
            async for piece in reply.aiter_bytes():
                watch.take(piece)
    watch.check()
    assert (await run)["logs"].encode().splitlines() == watch.lines


async def test_grpc_run(client: Client) -> None:
    await client.push(skills.TICKER)
    kinds = []
    async with client.channel() as channel:
        watch = Watch()
        request = RunSkillStreamRequest(run=SkillRun(skill="ticker"))
        replies = ExecutionServiceStub(channel).RunSkillStream(request, metadata=client.metadata)
        async for reply in replies:
            kinds.append(reply.event.WhichOneof("event"))
            watch.take(reply.event.log.data)
    watch.check()
    assert kinds[:2] == ["queued", "started"]
    assert kinds[-1] == "finished"


async def test_grpc_logs(client: Client) -> None:
    await client.push(skills.TICKER)
    run = asyncio.create_task(client.run("ticker"))
    execution_id = await until(lambda: client.running("ticker"))
    async with client.channel() as channel:
        watch = Watch()
        request = GetExecutionLogsRequest(id=execution_id, follow=True)
        replies = ExecutionServiceStub(channel).GetExecutionLogs(request, metadata=client.metadata)
        async for reply in replies:
            watch.take(reply.log.data)
    watch.check()
    assert (await run)["status"] == "success"


async def test_command_line(client: Client) -> None:
    await client.push(skills.TICKER)
    watch = Watch()
    process = await asyncio.create_subprocess_exec(
        *(SKILLBOX, "run", "ticker", "--follow"),
        env=environment(client.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    while piece := await process.stderr.read(1000):
        watch.take(piece)
    result = json.loads(await process.stdout.read())
    assert await process.wait() == 0
    watch.check()
    assert result["status"] == "success"
