"""More Executors, others in the place of those that run, and what all of it takes."""

import asyncio
import re
import sys

import pytest

from tests.deploy.compose_stack import ComposeStack
from tests.e2e.skills import skill
from tests.e2e.stack import Client
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SLEEPER = skill(
    "compose-sleeper",
    "main.py",
    "import time\nprint('asleep', flush=True)\ntime.sleep(4)\nprint('awake', flush=True)\n",
)


async def test_three_executors_share_the_proxy(stack: ComposeStack, client: Client) -> None:
    up = ("up", "--detach", "--no-deps", "--no-recreate")
    try:
        await asyncio.to_thread(stack.compose, *up, "--scale", "executor=3", "executor")

        async def three() -> bool:
            return len(await stack.owners()) == 3

        # Each has made boxes ahead, through the proxy, under an id of its own.
        await until(three, 60)
        await client.push(SLEEPER)
        results = await asyncio.gather(*(client.run("compose-sleeper") for _ in range(6)))
        assert {result["status"] for result in results} == {"success"}, results
    finally:
        await asyncio.to_thread(stack.compose, *up, "--scale", "executor=1", "executor")

    async def one() -> bool:
        return len(await stack.owners()) == 1

    # Those that went took their boxes with them.
    await until(one, 60)


async def test_a_run_survives_an_upgrade(stack: ComposeStack, client: Client) -> None:
    await client.push(SLEEPER)
    async with client.http() as http:
        reply = await http.post(
            "/v1/executions",
            json={"skill": "compose-sleeper"},
            headers={"Prefer": "respond-async"},
        )
    assert reply.status_code == 202, reply.text
    execution = reply.json()["execution_id"]

    async def running() -> bool:
        record = await client.record(execution)
        assert record["status"] in ("queued", "running"), record
        return bool(record["status"] == "running")

    await until(running)
    # What `up` does with a newer image.
    await asyncio.to_thread(
        stack.compose, "up", "--detach", "--no-deps", "--force-recreate", "executor"
    )

    async def ended() -> dict[str, object] | None:
        async with client.http() as http:
            reply = await http.get(f"/v1/executions/{execution}")
        done = reply.status_code == 200 and reply.json()["status"] not in ("queued", "running")
        return reply.json() if done else None

    record = await until(ended, 60)
    assert record is not None
    assert (record["status"], record["logs"]) == ("success", "asleep\nawake\n"), record


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
