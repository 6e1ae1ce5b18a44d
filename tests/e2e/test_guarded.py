"""A stack on Docker behind its socket proxy, whose operator offers more than one OCI runtime."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from skillbox_executor.sandbox import docker_body, images
from skillbox_executor.sandbox.interface import Language, Limits, Profile
from tests.e2e import skills
from tests.e2e.stack import DOCKER_HOST, Client, Stack
from tests.e2e.waiting import until
from tests.support.socket_proxy import SocketProxy

pytestmark = pytest.mark.docker

_OFFERED = {
    "SKILLBOX_OCI_RUNTIMES": "runsc",
    "SKILLBOX_RUNTIME_POLICY": "default/guarded-*=runsc",
}
_HELLO = "print('hello')"


@pytest.fixture(scope="module")
async def guarded() -> AsyncIterator[Client]:
    """A client of such a stack."""
    with tempfile.TemporaryDirectory(prefix="skillbox-e2e-") as name:
        stack = Stack(Path(name, "data"), "docker", env=_OFFERED)
        try:
            yield stack.start()
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr
        assert not await stack.containers()


def executor(stack: Stack) -> psutil.Process:
    return psutil.Process(stack.status()["services"]["executor"]["pid"])


def proxy(stack: Stack) -> SocketProxy:
    """Returns the proxy as the Executor finds it."""
    host = executor(stack).environ()["SKILLBOX_DOCKER_HOST"]
    return SocketProxy(int(host.rpartition(":")[2]), stack.data_dir / "logs" / "socket-proxy.log")


async def run(client: Client, skill: str, *front_matter: str) -> dict[str, Any]:
    """Uploads a skill, runs it and returns its record."""
    await client.push(skills.skill(skill, "main.py", _HELLO, *front_matter))
    return await client.record((await client.run(skill))["execution_id"])


def test_the_executor_knows_the_proxy_alone(guarded: Client) -> None:
    found = executor(guarded.stack).environ()
    assert found["SKILLBOX_DOCKER_HOST"].startswith("tcp://127.0.0.1:")
    engine = DOCKER_HOST.removeprefix("unix://")
    assert not [name for name, value in found.items() if engine in value or name == "DOCKER_HOST"]
    assert "warning" not in guarded.stack.status()


async def test_only_the_box_of_this_stack_passes(guarded: Client) -> None:
    owner = (guarded.stack.data_dir / "executor-id").read_text().strip()
    profile = Profile(images.name(Language.PYTHON), Language.PYTHON, Limits(64 * 1024**2, 0.5))
    body = docker_body.create_body(profile, owner)
    host = body["HostConfig"]
    through = proxy(guarded.stack)
    for other in (
        {**body, "HostConfig": {**host, "Privileged": True}},
        {**body, "HostConfig": {**host, "Binds": ["/:/host"]}},
        {**body, "HostConfig": {**host, "NetworkMode": "host"}},
        {**body, "HostConfig": {**host, "Runtime": "kata"}} | {"User": "0:0"},
        {**body, "Image": "python:3.12-slim-bookworm"},
        {**body, "Cmd": ["import os"]},
        docker_body.create_body(profile, "another-stack"),
        docker_body.create_body(
            Profile(profile.image, profile.language, Limits(8 * 1024**3, 0.5)), owner
        ),
    ):
        reply = await through.create(docker_body.new_name(owner), other)
        assert (reply.status, "does not allow this container" in reply.message) == (403, True)
    assert (await through.create(docker_body.new_name("another-stack"), body)).status == 403
    assert (await through.ask("GET", "/v1.41/containers/json?all=1")).status == 403
    # So it was not for the tests' own mistakes that these were refused.
    name = docker_body.new_name(owner)
    assert (await through.create(name, body)).status == 201
    assert (await through.ask("DELETE", f"/v1.41/containers/{name}?force=1&v=1")).status == 204


@pytest.mark.parametrize(
    ("skill", "front_matter", "runtime"),
    [
        ("plain", (), "runc"),
        ("asks", ("runtime: runsc",), "runsc"),
        ("guarded-by-policy", (), "runsc"),
    ],
)
async def test_a_skill_gets_the_runtime_that_was_asked_for(
    guarded: Client, skill: str, front_matter: tuple[str, ...], runtime: str
) -> None:
    record = await run(guarded, skill, *front_matter)
    assert (record["status"], record["logs"]) == ("success", "hello\n")
    # Read back from the engine.
    assert record["sandbox"]["runtime"] == runtime


@pytest.mark.parametrize(
    ("skill", "runtime", "because"),
    [
        ("asks-kata", "kata", "this server offers runc, runsc"),
        ("guarded-asks-less", "runc", "the operator demands runsc for this skill"),
    ],
)
async def test_a_runtime_that_is_not_to_be_had(
    guarded: Client, skill: str, runtime: str, because: str
) -> None:
    record = await run(guarded, skill, f"runtime: {runtime}")
    assert (record["status"], record["reason"]) == ("failed", "RUNTIME_NOT_ALLOWED")
    assert record["error"] == f'runtime validation: "{runtime}" is not allowed: {because}'
    assert "sandbox" not in record


@pytest.mark.bubblewrap
async def test_a_runtime_on_bubblewrap(live: Client) -> None:
    record = await run(live, "asks-runsc", "runtime: runsc")
    assert (record["status"], record["reason"]) == ("failed", "RUNTIME_NOT_ALLOWED")
    assert "sandbox" not in record


async def test_both_transports_show_what_a_skill_asks_for(guarded: Client) -> None:
    await guarded.push(skills.skill("shown", "main.py", _HELLO, "runtime: runsc"))
    await guarded.push(skills.skill("plain", "main.py", _HELLO))
    async with guarded.http() as http:
        shown = (await http.get("/v1/skills/shown/latest")).json()
        plain = (await http.get("/v1/skills/plain/latest")).json()
    assert shown["runtime"] == "runsc"
    assert "runtime" not in plain


async def test_the_proxy_is_killed(guarded: Client) -> None:
    """A run that goes on ends truthfully, its box is gone, and the stack heals by itself."""
    await guarded.push(skills.SLEEPER)
    going_on = asyncio.create_task(guarded.run("sleeper"))
    execution_id = await until(lambda: guarded.running("sleeper"))
    psutil.Process(guarded.stack.status()["services"]["socket-proxy"]["pid"]).send_signal(
        signal.SIGKILL
    )
    result = await going_on
    assert result["status"] == "failed"
    record = await guarded.record(execution_id)
    assert record["reason"] == "ENGINE_LOST"

    async def works() -> bool:
        return bool((await run(guarded, "again"))["status"] == "success")

    await until(works)
    assert guarded.stack.status()["services"]["socket-proxy"]["restarts"] == 1

    async def removed() -> bool:
        return record["sandbox"]["id"] not in await guarded.stack.boxes()

    await until(removed, 30)
