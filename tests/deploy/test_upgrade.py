"""Newer images in the place of those that run, while skills run."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiodocker import Docker

from tests.deploy.compose_stack import ComposeStack
from tests.deploy.test_lockdown import SERVING
from tests.e2e.skills import skill
from tests.e2e.stack import DOCKER_HOST, Client
from tests.e2e.waiting import until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

# Shorter and longer than an Executor that stops gives its runs.
SHORT = skill(
    "compose-short",
    "main.py",
    "import time\nprint('asleep', flush=True)\ntime.sleep(4)\nprint('awake')\n",
)
LONG = skill(
    "compose-long",
    "main.py",
    "import time\nprint('asleep', flush=True)\ntime.sleep(100)\n",
)
NEWER = "newer"


@pytest.fixture
async def newer(stack: ComposeStack) -> AsyncIterator[str]:
    """The same images with another tag, which is all that Compose knows of them."""
    names = [
        f"skillbox-test/{service}" for service in SERVING if service not in ("postgres", "redis")
    ]
    async with Docker(DOCKER_HOST) as docker:
        for name in names:
            await docker.images.tag(name, name, tag=NEWER)
        yield NEWER
        for name in names:
            await docker.images.delete(f"{name}:{NEWER}", force=True)


async def test_no_run_is_lost(stack: ComposeStack, client: Client, newer: str) -> None:
    for archive in (SHORT, LONG):
        await client.push(archive)
    long = [await _start(client, "compose-long") for _ in range(2)]
    waits = [asyncio.create_task(client.run("compose-short")) for _ in range(3)]
    # More than there are slots for: some start on the old Executor, and some on the new one.
    short = [await _start(client, "compose-short") for _ in range(9)]
    await until(lambda: _underway(client, long, short), 120)

    # As docs/DEPLOY.md says.
    await asyncio.to_thread(stack.compose, "stop", "executor")
    waited = [await each for each in waits]
    await asyncio.to_thread(stack.compose, "up", "--detach", SKILLBOX_VERSION=newer)

    records = await until(lambda: _ended(client, [*long, *short]), 200)
    assert {record["status"] for record in waited} == {"success"}
    cut, rest = records[: len(long)], records[len(long) :]
    assert {(each["status"], each["reason"], each["logs"]) for each in cut} == {
        ("failed", "EXECUTOR_LOST", "asleep\n")
    }
    assert {(each["status"], each["logs"]) for each in rest} == {("success", "asleep\nawake\n")}
    for service, (container, *_) in (await stack.inspect()).items():
        if service in SERVING and service != "postgres":
            assert container["Config"]["Image"].endswith(f":{newer}"), service
    # The boxes of the one that went are gone.
    assert len(await stack.owners()) == 1


async def _start(client: Client, name: str) -> str:
    """Starts a run that nobody waits for; returns its id."""
    async with client.http() as http:
        reply = await http.post(
            "/v1/executions", json={"skill": name}, headers={"Prefer": "respond-async"}
        )
    assert reply.status_code == 202, reply.text
    return str(reply.json()["execution_id"])


async def _underway(client: Client, long: list[str], short: list[str]) -> bool:
    """Tells whether all the long runs and some of the short ones are running."""
    statuses = [(await client.record(each))["status"] for each in [*long, *short]]
    return set(statuses[: len(long)]) == {"running"} and "running" in statuses[len(long) :]


async def _ended(client: Client, executions: list[str]) -> list[dict[str, Any]]:
    """Returns the records of all when none goes on, and nothing before."""
    try:
        records = [await client.record(each) for each in executions]
    except (httpx.TransportError, ValueError):  # The gateway is a new one, too.
        return []
    going_on = (None, "queued", "running")
    return [] if any(each.get("status") in going_on for each in records) else records
