"""Whoever dies, at whatever point of a run: the box ends by itself, and soon nothing is left."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress

import psutil
import pytest
from aiodocker import Docker

from skillbox_executor.sandbox.bubblewrap import BubblewrapBox
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.docker_body import OWNER
from skillbox_executor.sandbox.interface import Language
from skillbox_executor.sandbox.proxy import ProxySettings
from tests.sandbox.conftest import traces_of
from tests.sandbox.hostile.arena import Arena
from tests.sandbox.hostile.attack import (
    BASH,
    BUBBLEWRAP,
    ENGINE_LOST,
    LIMITS,
    NODE,
    PYTHON,
)
from tests.sandbox.hostile.dying_executor import POINTS
from tests.sandbox.skills import Bench, payload
from tests.support.parts import free_port
from tests.support.socket_proxy import run_socket_proxy

BOUND_S = 30.0
USUAL_S = 15.0
"""What it takes here, with room for a busy machine."""

FOREVER = {
    PYTHON: "import time; print('up'); time.sleep(600)",
    NODE: "console.log('up'); setTimeout(() => {}, 600000)",
    BASH: "echo up; sleep 600",
}


async def living(arena_name: str, docker: Docker, owner: str) -> list[str]:
    """Names the boxes of an owner that still run."""
    if arena_name == BUBBLEWRAP:
        return [each for each in traces_of(owner) if not each.startswith("/")]
    filters = {"label": [f"{OWNER}={owner}"], "status": ["running", "created"]}
    found = await docker.containers.list(all=True, filters=filters)
    return [container.id for container in found]


async def ended(arena_name: str, docker: Docker, owner: str) -> float:
    """Waits until no box of an owner runs; returns how many seconds it took."""
    start = time.monotonic()
    while left := await living(arena_name, docker, owner):
        assert time.monotonic() - start < BOUND_S, left
        await asyncio.sleep(0.02)
    return time.monotonic() - start


@pytest.mark.parametrize("language", [PYTHON, NODE, BASH])
@pytest.mark.parametrize("point", POINTS)
async def test_boxes_end_with_their_executor(
    arena: Arena, docker: Docker, docker_host: str, point: str, language: Language
) -> None:
    profile = arena.profile(language)
    executor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.sandbox.hostile.dying_executor"),
        *(arena.name, arena.owner, docker_host, language, profile.image, point),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    try:
        assert executor.stdout is not None
        assert await executor.stdout.readline() == b"ready\n"
        assert len(await living(arena.name, docker, arena.owner)) >= 1
    finally:
        executor.kill()
        await executor.communicate()
    assert await ended(arena.name, docker, arena.owner) < USUAL_S
    # What the engine and the kernel remember of it, the next Executor of that name removes.
    assert await arena.driver.reap() == 1
    assert await arena.traces() == []


@pytest.mark.parametrize("language", [PYTHON, NODE, BASH])
async def test_boxes_end_with_the_proxy_before_their_engine(
    docker: Docker,
    docker_host: str,
    owner: str,
    sandbox_images: Mapping[Language, str],
    language: Language,
) -> None:
    settings = ProxySettings(
        engine_socket=docker_host.removeprefix("unix://"),
        listen=f"127.0.0.1:{free_port()}",
        owner=owner,
        images=list(sandbox_images.values()),
        most=LIMITS,
    )
    direct = DockerDriver(docker_host, owner)
    try:
        async with AsyncExitStack() as stack:
            proxy = await stack.enter_async_context(run_socket_proxy(settings))
            bench = Bench(lambda name: DockerDriver(proxy.docker_host, name), owner, sandbox_images)
            waiting = await bench.driver.prepare(bench.profile(language, LIMITS))
            running = await bench.driver.prepare(bench.profile(language, LIMITS))
            await anext(bench.driver.run(running, payload(language, FOREVER[language])))
            assert bench.driver.alive(waiting)
        assert await ended("docker", docker, owner) < USUAL_S
        await asyncio.gather(bench.driver.close(), return_exceptions=True)
    finally:
        assert await direct.reap() == 2
        await direct.close()


async def test_a_run_whose_runner_is_killed_is_lost(arena: Arena, docker: Docker) -> None:
    box = await arena.driver.prepare(arena.profile(PYTHON))
    run = asyncio.create_task(
        arena.run(arena.profile(PYTHON), payload(PYTHON, FOREVER[PYTHON]), box=box)
    )
    await asyncio.sleep(0.5)
    if isinstance(box, BubblewrapBox):
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if process.name() == "bwrap":
                    process.kill()
    else:
        await docker.containers.container(box.id).kill()
    seen = await asyncio.wait_for(run, USUAL_S)
    assert seen.end == ENGINE_LOST
    assert await arena.traces() == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3, 1.0])
async def test_a_run_that_is_cancelled_leaves_nothing(arena: Arena, seconds: float) -> None:
    run = asyncio.create_task(arena.run(arena.profile(PYTHON), payload(PYTHON, FOREVER[PYTHON])))
    await asyncio.sleep(seconds)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    async with asyncio.timeout(USUAL_S):
        # A start that is given up is destroyed as soon as the engine has answered.
        while await arena.traces():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.05)
