"""Packages of an index, as "Packages from an index" in docs/DEPLOY.md switches them on.

Those that an archive brings are in `test_profiles.py`: they need no setting.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiodocker import Docker

from tests.deploy.compose_stack import ComposeStack
from tests.e2e.skills import archive
from tests.e2e.stack import DOCKER_HOST, Client
from tests.e2e.waiting import until
from tests.support.packages import Index, serve_index, wheel

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

CODE = """
import socket

import greeting

print(greeting.ANSWER)
try:
    socket.create_connection(("{host}", {port}), 2)
except OSError:
    print("no network")
"""


@pytest.fixture
async def index() -> AsyncIterator[Index]:
    """An index on this machine, at the address that boxes of the default bridge find it by."""
    async with Docker(DOCKER_HOST) as docker:
        bridge = await (await docker.networks.get("bridge")).show()
    with serve_index(bridge["IPAM"]["Config"][0]["Gateway"]) as served:
        yield served


@pytest.fixture
async def installing(stack: ComposeStack, client: Client, index: Index) -> AsyncIterator[Client]:
    """The stack while it installs from that index; it is as it was afterwards."""
    settings = stack.data_dir / "settings.env"
    before = settings.read_text()
    stack.configure("SKILLBOX_DEPENDENCIES=on", f"SKILLBOX_PIP_INDEX_URL={index.simple}")
    try:
        await _renew(stack, client)
        yield client
    finally:
        settings.write_text(before)
        await _renew(stack, client)


async def test_a_run_has_packages_of_the_index_and_no_network(
    installing: Client, index: Index
) -> None:
    index.add_wheel(*wheel("greeting", requires=("tail>=1",)))
    index.add_wheel(*wheel("tail", "1.5"))
    await installing.push(_asking("asks-greeting", "greeting==1.0", index))
    assert (await installing.run("asks-greeting"))["logs"] == "greeting 1.0\nno network\n"

    await installing.push(_asking("asks-absent", "absent", index))
    refused = await installing.run("asks-absent")
    assert refused["status"] == "failed", refused
    assert "absent" in refused["error"]


def _asking(name: str, requirement: str, index: Index) -> bytes:
    return archive(
        {
            "SKILL.md": f"---\nname: {name}\ndescription: For a test.\n---\nDo it.\n",
            "main.py": CODE.format(host=index.host, port=index.port),
            "requirements.txt": requirement,
        }
    )


async def _renew(stack: ComposeStack, client: Client) -> None:
    """Starts what has other settings now."""
    await asyncio.to_thread(
        stack.compose, "up", "--detach", "--no-deps", "socket-proxy", "executor"
    )

    async def ready() -> bool:
        async with client.http() as http:
            try:
                return (await http.get("/ready")).status_code == 200
            except OSError:
                return False

    await until(ready, 60)
