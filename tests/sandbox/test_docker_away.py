"""What tells an engine that cannot be reached from one that says no. About two seconds."""

from pathlib import Path
from typing import cast

import pytest
from aiodocker import Docker

from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.docker_box import AttachedStreams
from skillbox_executor.sandbox.interface import (
    BoxLost,
    EngineAway,
    EngineUnavailable,
    Language,
    Limits,
    Profile,
)
from skillbox_executor.sandbox.proxy import ProxySettings
from skillbox_executor.sandbox.stream import Conversation
from tests.sandbox.conftest import containers_of
from tests.sandbox.skills import LIMITS, Bench
from tests.support.parts import free_port
from tests.support.socket_proxy import run_socket_proxy

pytestmark = pytest.mark.docker
PROFILE = Profile("test/none", Language.PYTHON, LIMITS)


def proxy_for(owner: str, engine_socket: str) -> ProxySettings:
    return ProxySettings(
        engine_socket=engine_socket,
        listen=f"127.0.0.1:{free_port()}",
        owner=owner,
        images=["test/none"],
        most=Limits(memory_bytes=LIMITS.memory_bytes, cpus=LIMITS.cpus),
    )


async def test_a_proxy_whose_engine_is_away(owner: str, tmp_path: Path) -> None:
    async with run_socket_proxy(proxy_for(owner, str(tmp_path / "nobody"))) as proxy:
        driver = DockerDriver(proxy.docker_host, owner)
        for call in (driver.check(), driver.prepare(PROFILE), driver.reap("another")):
            with pytest.raises(EngineAway):
                await call
        await driver.close()


async def test_a_proxy_that_refuses_is_there(owner: str, docker_host: str) -> None:
    settings = proxy_for(owner, docker_host.removeprefix("unix://"))
    async with run_socket_proxy(settings) as proxy:
        driver = DockerDriver(proxy.docker_host, owner)
        assert await driver.reap() == 0
        with pytest.raises(EngineUnavailable) as refused:
            await driver.reap("another")
        assert not isinstance(refused.value, EngineAway)
        await driver.close()


@pytest.mark.parametrize("killed", [False, True])
async def test_a_box_that_never_says_a_word(
    docker_bench: Bench,
    docker: Docker,
    owner: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    killed: bool,
) -> None:
    """Its connection broke, or it has ended by itself."""

    async def greeting(conversation: Conversation) -> None:
        if killed:
            (box,) = await containers_of(docker, owner)
            await docker.containers.container(box).kill()
        await cast("AttachedStreams", conversation._wire).close()
        raise BoxLost("not a word")

    monkeypatch.setattr(Conversation, "greeting", greeting)
    with pytest.raises(EngineUnavailable) as failed:
        await docker_bench.driver.prepare(docker_bench.profile(Language.PYTHON))
    assert isinstance(failed.value, EngineAway) is not killed
    assert await containers_of(docker, owner) == []
