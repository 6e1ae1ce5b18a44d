"""Steady load: callers who wait and callers who do not, each with an idempotency key."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.skills import skill
from tests.e2e.stack import API_KEY, Client

SKILL = "steady"
# Long enough that a fault finds runs under way, and each output proves whose it is.
_CODE = """
import json, os, sys, time
number = json.loads(os.environ["SANDBOX_INPUT"])["number"]
print("begin", number, flush=True)
time.sleep(1)
open(os.path.join(os.environ["SANDBOX_FILES_DIR"], "number.txt"), "w").write(str(number))
json.dump({"number": number}, open(os.environ["SANDBOX_OUTPUT"], "w"))
"""
ARCHIVE = skill(SKILL, "main.py", _CODE, 'timeout: "20s"')

_CALLERS = 4
_GIVE_UP_S = 60.0
_PAUSE_S = 0.2
# One who does not wait has the answer in milliseconds, the other one in a second or two.
_SOON_S = 1.0
_LATER_S = 4.0
_TRY_AGAIN = frozenset({429, 502, 503, 504})


@dataclass
class Call:
    """One call as its caller sees it, over all its attempts.

    Attributes:
        ids: Executions that the server named in its replies; more than one is a duplicate.
        result: The last reply that was no error.
        seconds: From the first attempt to that reply.
    """

    number: int
    key: str
    waits: bool
    ids: set[str] = field(default_factory=set)
    attempts: int = 0
    seconds: float = 0.0
    result: dict[str, Any] | None = None
    refusals: set[int] = field(default_factory=set)


@dataclass
class Load:
    """Callers at work.

    Attributes:
        calls: All of them, in the order in which they began.
    """

    url: str
    calls: list[Call] = field(default_factory=list)

    async def work(self, stop: asyncio.Event) -> None:
        """Calls again and again until `stop`, and then finishes the last call."""
        async with _http(self.url) as http:
            while not stop.is_set():
                number = len(self.calls)
                call = Call(number, str(uuid.uuid4()), waits=bool(number % 2))
                self.calls.append(call)
                await _until_accepted(http, call)

    @property
    def accepted(self) -> list[Call]:
        return [call for call in self.calls if call.ids]

    @property
    def troubled(self) -> list[Call]:
        """Those that had to ask again, or were kept waiting."""
        return [
            call
            for call in self.calls
            if call.attempts > 1 or call.seconds > (_LATER_S if call.waits else _SOON_S)
        ]


@asynccontextmanager
async def steady(client: Client) -> AsyncIterator[Load]:
    """Keeps calling while the block runs; afterwards every call has got its answer."""
    load = Load(client.url)
    stop = asyncio.Event()
    callers = [asyncio.create_task(load.work(stop)) for _ in range(_CALLERS)]
    try:
        yield load
        stop.set()
        async with asyncio.timeout(2 * _GIVE_UP_S):
            await asyncio.gather(*callers)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


def _http(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {API_KEY}"},
        timeout=httpx.Timeout(_GIVE_UP_S, connect=2),
        trust_env=False,
    )


async def _until_accepted(http: httpx.AsyncClient, call: Call) -> None:
    """Does what a good client does: tries again with the same key."""
    headers = {"Idempotency-Key": call.key} | ({} if call.waits else {"Prefer": "respond-async"})
    body = {"skill": SKILL, "input": {"number": call.number}}
    began = time.monotonic()
    async with asyncio.timeout(_GIVE_UP_S):
        while True:
            call.attempts += 1
            try:
                reply = await http.post("/v1/executions", json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if reply.status_code in (200, 202):
                call.result = reply.json()
                call.seconds = time.monotonic() - began
                call.ids.add(reply.json()["execution_id"])
                return
            call.refusals.add(reply.status_code)
            assert reply.status_code in _TRY_AGAIN, reply.text
            await asyncio.sleep(_PAUSE_S)
