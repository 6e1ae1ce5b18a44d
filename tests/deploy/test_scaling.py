"""More Executors while skills run, and what all of it takes."""

import asyncio
import re
import sys
from typing import Any

import pytest

from tests.deploy.compose_stack import ComposeStack
from tests.e2e.skills import skill
from tests.e2e.stack import Client
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

NAP = skill("compose-nap", "main.py", "import time\ntime.sleep(2)\nprint('awake')\n")
CALLERS = 4


async def test_three_executors_share_the_proxy(stack: ComposeStack, client: Client) -> None:
    """From one to three and back; at most the moment in which an Executor stops is noticed."""
    await client.push(NAP)
    enough = asyncio.Event()
    load = asyncio.gather(*(_run_until(enough, client) for _ in range(CALLERS)))
    try:
        await _scale(stack, 3)
        await _scale(stack, 1)
    finally:
        enough.set()
        results = [result for caller in await load for result in caller]
    refused = [each for each in results if "error_code" in each]
    print(f"runs while Executors came and went: {len(results)}", refused, file=sys.stderr)
    assert len(results) > CALLERS  # so that some ran on others than the first
    # Two stop at once, and each caller may meet both.
    assert len(refused) <= 2 * CALLERS
    others = [each for each in results if each not in refused]
    assert [each for each in others if each["status"] != "success"] == []


async def _run_until(enough: asyncio.Event, client: Client) -> list[dict[str, Any]]:
    """Runs again and again; what is refused with 503 is told as `error_code`."""
    results = []
    async with client.http() as http:
        while not enough.is_set():
            reply = await http.post("/v1/executions", json={"skill": "compose-nap"})
            assert reply.status_code in (200, 503), reply.text
            found = reply.json()
            results.append(found if reply.is_success else {"error_code": found["error"]})
            if not reply.is_success:
                await asyncio.sleep(1)  # at once it would meet the one that stops again
    return results


async def _scale(stack: ComposeStack, executors: int) -> None:
    """Returns when so many have boxes; those that went took theirs with them."""
    await asyncio.to_thread(
        stack.compose,
        *("up", "--detach", "--no-deps", "--no-recreate"),
        *("--scale", f"executor={executors}", "executor"),
    )

    async def so_many() -> bool:
        # Each makes boxes ahead, through the proxy, under an id of its own.
        return len(await stack.owners()) == executors

    await until(so_many, 200)


async def test_memory(stack: ComposeStack) -> None:
    printed = await asyncio.to_thread(
        stack.typed, "docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"
    )
    units = {"KiB": 1 / 1024, "MiB": 1, "GiB": 1024}
    used = {
        name: float(number) * units[unit]
        for name, number, unit in re.findall(r"^(\S+) ([\d.]+)([KMG]iB) /", printed, re.MULTILINE)
        if name.startswith(stack.project)
    }
    total = sum(used.values())
    print(f"memory: {total:.0f} MiB", used, file=sys.stderr)
    assert len(used) >= 7
    assert total < 1024
