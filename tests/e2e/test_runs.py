"""Runs: many at once, and how a box looks while it runs."""

import asyncio
from typing import Any

import pytest
from aiodocker import Docker

from tests.e2e import skills
from tests.e2e.conftest import DRIVERS
from tests.e2e.stack import DOCKER_HOST, Client
from tests.e2e.waiting import until

pytestmark = pytest.mark.usefixtures("single_use")

_MIB = 1024 * 1024


async def test_twenty_at_once(client: Client) -> None:
    for archive in (skills.PYTHON, skills.NODE, skills.BASH):
        await client.push(archive)
    names = ["python-square", "node-square", "bash-square"]
    results = await asyncio.gather(
        *(client.run(names[n % 3], input={"value": n}) for n in range(20))
    )
    assert [(result["status"], result["error"]) for result in results] == [("success", None)] * 20
    assert [result["output"] for result in results] == [{"square": n * n} for n in range(20)]
    assert {result["logs"] for result in results} == {"squared\n"}
    assert len({result["execution_id"] for result in results}) == 20
    assert [result.get("files_list") for result in results[:3]] == [["note.txt"], None, None]


async def test_caller_that_leaves_cancels(client: Client) -> None:
    await client.push(skills.SLEEPER)
    run = asyncio.create_task(client.run("sleeper"))
    execution_id = (await _running_sleeper(client))["execution_id"]
    run.cancel()

    async def ended() -> bool:
        return bool((await client.record(execution_id))["status"] != "running")

    await until(ended)
    assert (await client.record(execution_id))["status"] == "cancelled"


@pytest.mark.parametrize("client", DRIVERS[:1], indirect=True)
async def test_a_running_container_has_every_control(client: Client) -> None:
    await client.push(skills.SLEEPER)
    run = asyncio.create_task(client.run("sleeper"))
    execution = await _running_sleeper(client)
    async with Docker(DOCKER_HOST) as docker:
        container = await (await docker.containers.get(execution["sandbox"]["id"])).show()
    run.cancel()

    host, config = container["HostConfig"], container["Config"]
    assert host["NetworkMode"] == "none"
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["Privileged"] is False
    assert host["ReadonlyRootfs"] is True
    assert host["PidsLimit"] == 128
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == 256 * _MIB
    assert host["NanoCpus"] == 500_000_000
    assert host["Runtime"] == "runc"
    assert config["User"] == "65534:65534"
    assert not host["Binds"]
    assert not container["Mounts"]
    assert set(host["Tmpfs"]) == {"/sandbox", "/tmp", "/root"}
    for path, options in host["Tmpfs"].items():
        assert {"nosuid", "nodev", "noexec"} <= set(options.split(",")), path
    assert f"size={64 * _MIB}" in host["Tmpfs"]["/tmp"]
    assert f"size={_MIB}" in host["Tmpfs"]["/root"]
    # Nothing of the caller is in what the engine keeps.
    assert not {name.partition("=")[0] for name in config["Env"]} & {"SANDBOX_INPUT", "HOME"}
    assert not [name for name, value in container["Config"]["Labels"].items() if "sleeper" in value]


async def _running_sleeper(client: Client) -> dict[str, Any]:
    execution_id = await until(lambda: client.running("sleeper"))
    return await client.record(execution_id)
