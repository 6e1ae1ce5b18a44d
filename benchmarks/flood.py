"""A tenant that asks for far more than its part, in a process of its own.

That process has the lowest priority: the clients of a flood are other machines.
"""

import asyncio
import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

_LOWEST = 19
_DRAINED_S = 0.2


@dataclass(frozen=True)
class Flood:
    """What many clients of one tenant do all the time.

    Attributes:
        leave: They do not wait for the end of their runs, which fill the queue.
        polite: They stay away for as long as a refusal says, and somewhat longer.
    """

    skill: str
    leave: bool = False
    polite: bool = True
    clients: int = 32


@dataclass
class Flooded:
    """What a flood came to.

    Attributes:
        accepted: Runs that ended, or were left to the queue.
        refused: Replies with 429.
        failures: What else went wrong.
    """

    accepted: int = 0
    refused: int = 0
    failures: tuple[str, ...] = ()


def run(flood: Flood, url: str, key: str, seconds: float) -> Flooded:
    """Floods for a time; for `ProcessPoolExecutor`, in a process without other work."""
    with suppress(OSError):  # where sessions share processors by themselves
        os.setsid()
        Path("/proc/self/autogroup").write_text(str(_LOWEST))
    os.nice(_LOWEST - os.nice(0))
    return asyncio.run(_run(flood, url, key, time.monotonic() + seconds))


async def _run(flood: Flood, url: str, key: str, end: float) -> Flooded:
    done = Flooded()
    headers = {"Authorization": f"Bearer {key}"}
    if flood.leave:
        headers["Prefer"] = "respond-async"
    body = {"skill": flood.skill, "input": [1, 2, 3]}

    async def client(http: aiohttp.ClientSession) -> None:
        while (left := end - time.monotonic()) > 0:
            async with http.post("/v1/executions", json=body) as reply:
                text = await reply.text()
            if reply.status == 429:
                done.refused += 1
                if flood.polite:
                    wait = float(reply.headers["Retry-After"]) * random.uniform(1, 2)
                    await asyncio.sleep(min(wait, left))
            elif reply.status in (200, 202):
                done.accepted += 1
            else:
                done.failures = (*done.failures[:4], f"{reply.status}: {text[:200]}")

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, headers=headers, connector=connector) as http:
        await asyncio.gather(*(client(http) for _ in range(flood.clients)))
        # What is left in the queue is no part of what comes next.
        for status in ("queued", "running"):
            while await _some(http, status):  # noqa: ASYNC110 - over REST there is no event
                await asyncio.sleep(_DRAINED_S)
    return done


async def _some(http: aiohttp.ClientSession, status: str) -> bool:
    async with http.get("/v1/executions", params={"status": status, "page_size": "1"}) as reply:
        return bool((await reply.json())["executions"])
