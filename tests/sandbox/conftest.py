"""Drivers on real engines. Whatever a test does, nothing of its boxes may be left after it."""

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil
import pytest
from aiodocker import Docker

from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.docker_body import OWNER
from skillbox_executor.sandbox.docker_engine import connect
from skillbox_executor.sandbox.interface import Language
from tests.sandbox.skills import Bench


@pytest.fixture(scope="session")
def docker_host() -> str:
    """Address of the engine that the tests use."""
    return (
        os.environ.get("SKILLBOX_DOCKER_HOST")
        or os.environ.get("DOCKER_HOST")
        or "unix:///var/run/docker.sock"
    )


@pytest.fixture(scope="session")
async def docker(docker_host: str) -> AsyncIterator[Docker]:
    """A client of the engine, to look at it from outside."""
    async with connect(docker_host) as client:
        yield client


@pytest.fixture(scope="session")
async def sandbox_images(docker_host: str) -> Mapping[Language, str]:
    """The images of all languages; those that the engine does not have are built."""
    names = {language: images.name(language) for language in Language}
    missing = await images.missing(docker_host, names.values())
    for language, name in names.items():
        if name in missing:
            await images.build(language, docker_host)
    return names


@pytest.fixture
def owner() -> str:
    """Marks the boxes of one test."""
    return f"test-{secrets.token_hex(4)}"


async def containers_of(docker: Docker, owner: str) -> list[str]:
    """Returns the ids of an owner's containers."""
    found = await docker.containers.list(all=True, filters={"label": [f"{OWNER}={owner}"]})
    return [container.id for container in found]


def traces_of(owner: str) -> list[str]:
    """Names every process and control group of an owner's bubblewrap boxes."""
    # Unlike glob, walk does not mind that groups of others vanish meanwhile.
    walk = os.walk("/sys/fs/cgroup")
    found = [folder for folder, _, _ in walk if Path(folder).name == f"skillbox-{owner}"]
    for process in psutil.process_iter():
        try:
            if process.environ().get("SKILLBOX_BOX", "").startswith(f"{owner}/"):
                found.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return found


@pytest.fixture
async def docker_bench(
    docker_host: str, docker: Docker, sandbox_images: Mapping[Language, str], owner: str
) -> AsyncIterator[Bench]:
    """The Docker driver."""
    bench = Bench(lambda name: DockerDriver(docker_host, name), owner, sandbox_images)
    try:
        yield bench
    finally:
        await bench.driver.close()
    assert await containers_of(docker, owner) == []


@pytest.fixture
async def bubblewrap_bench(owner: str) -> AsyncIterator[Bench]:
    """The bubblewrap driver."""
    bench = Bench(BubblewrapDriver, owner, dict.fromkeys(Language, "host"))
    try:
        yield bench
    finally:
        await bench.driver.close()
    assert traces_of(owner) == []


@pytest.fixture(
    params=[
        pytest.param("docker_bench", marks=pytest.mark.docker),
        pytest.param("bubblewrap_bench", marks=pytest.mark.bubblewrap),
    ]
)
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each driver in turn. A new driver is added here, and nowhere else."""
    made: Bench = request.getfixturevalue(request.param)
    return made
