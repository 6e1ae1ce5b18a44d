"""A case does the same small piece of work as all others, in its own way."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import grpc.aio

from benchmarks.stack import KEY, Running
from skillbox.executor.v1.execution_service_pb2 import RunSkillRequest, SkillRun
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub

HEADERS = {"Authorization": f"Bearer {KEY}"}
METADATA = (("authorization", f"Bearer {KEY}"),)
INPUT = [1, 2, 3]

Case = Callable[[], Awaitable[str]]
"""Does the work once. Returns `warm` or `cold` where that means something, else nothing.

Raises whatever there is when the work did not succeed.
"""


class RunFailed(Exception):
    """The work ended in another way than it should."""


class SkillboxCalls:
    """Calls of one stack, over connections that stay open.

    Attributes:
        http: For `GET` and the like; its base is the stack's address.
        channel: For gRPC.
    """

    def __init__(self, http: aiohttp.ClientSession, channel: grpc.aio.Channel) -> None:
        self.http = http
        self.channel = channel
        self._stub = ExecutionServiceStub(channel)

    def rest(self, skill: str = "bench") -> Case:
        body = {"skill": skill, "input": INPUT}

        async def run() -> str:
            async with self.http.post("/v1/executions", json=body) as reply:
                result = await reply.json()
            if result.get("output") != {"sum": 6}:
                raise RunFailed(str(result)[:300])
            return str(result["sandbox"]["start"])

        return run

    def native(self, skill: str = "bench") -> Case:
        request = RunSkillRequest(run=SkillRun(skill=skill, input_json="[1,2,3]"))

        async def run() -> str:
            reply = await self._stub.RunSkill(request, metadata=METADATA)
            execution = reply.execution
            if execution.output_json != '{"sum":6}':
                raise RunFailed(str(execution)[:300])
            return str(execution.sandbox.start)

        return run


@asynccontextmanager
async def calls(stack: Running) -> AsyncIterator[SkillboxCalls]:
    """Yields the calls of a stack."""
    # Longer than a burst takes: there the first ones to end wait for the last.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=180)
    async with (
        aiohttp.ClientSession(
            stack.url, headers=HEADERS, connector=connector, timeout=timeout
        ) as http,
        grpc.aio.insecure_channel(stack.url.removeprefix("http://")) as channel,
    ):
        yield SkillboxCalls(http, channel)
