"""One proxy before the real engine, for one owner. Whatever a test sends, no box stays."""

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiodocker import Docker

from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.interface import Language, Profile
from skillbox_executor.sandbox.proxy import ProxySettings
from tests.sandbox.conftest import containers_of
from tests.sandbox.skills import LIMITS
from tests.support.parts import free_port
from tests.support.socket_proxy import SocketProxy, run_socket_proxy

ABSENT = "registry.test:5000/skillbox/absent:1.2-slim"
"""An image that the proxy allows and the engine does not have."""


@pytest.fixture(scope="session")
def owner() -> str:
    """The executor that the proxy is for; instead of an owner for each test."""
    return f"test proxy {secrets.token_hex(4)}"


@pytest.fixture(scope="session")
async def proxy(
    docker_host: str, sandbox_images: Mapping[Language, str], owner: str
) -> AsyncIterator[SocketProxy]:
    """A running proxy whose largest limits are those of the tests' boxes."""
    settings = ProxySettings(
        engine_socket=docker_host.removeprefix("unix://"),
        listen=f"127.0.0.1:{free_port()}",
        owner=owner,
        images=[*sandbox_images.values(), ABSENT],
        most=LIMITS,
    )
    async with run_socket_proxy(settings) as running:
        yield running


@pytest.fixture
async def nothing_created(docker: Docker, owner: str) -> AsyncIterator[None]:
    """Asserts that the engine has none of the containers that the test asked for; removes them.

    Others may use the engine meanwhile, so they are told by label and by name; each request of
    a test has at least one of the two.
    """
    yield
    names = [docker_body.name_prefix(owner), "skillbox-proxy-test"]
    named = await docker.containers.list(all=True, filters={"name": names})
    made = {container.id for container in named} | {*await containers_of(docker, owner)}
    for each in made:
        await docker.containers.container(each).delete(force=True)
    assert made == set()


@pytest.fixture
def body(owner: str, sandbox_images: Mapping[Language, str]) -> dict[str, Any]:
    """The body of a box, as the driver makes it."""
    profile = Profile(sandbox_images[Language.BASH], Language.BASH, LIMITS)
    return docker_body.create_body(profile, owner)


@pytest.fixture
def text(body: Mapping[str, Any]) -> bytes:
    """The same as it is sent."""
    return json.dumps(body, sort_keys=True).encode()


@pytest.fixture
def name(owner: str) -> str:
    """A name that the driver could choose."""
    return docker_body.new_name(owner)
