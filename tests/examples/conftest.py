"""One stack for all examples, with every example skill on it."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from skillbox import Client as Sdk
from skillbox.aio import AsyncClient
from skillbox_registry.pack import pack
from tests.e2e.stack import API_KEY, Client, Stack, alive
from tests.examples.both import Both
from tests.examples.running import SKILLS


@pytest.fixture(scope="session", params=[pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])
def live(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of a running stack."""
    with tempfile.TemporaryDirectory(prefix="skillbox-examples-") as name:
        stack = Stack(Path(name, "data"), request.param)
        try:
            stack.start()
            client = Client(stack, stack.status()["url"])
            with Sdk(client.url, API_KEY) as sdk:
                for skill in SKILLS:
                    archive = Path(name, f"{skill.name}.zip")
                    with archive.open("wb") as file:
                        pack(skill, file)
                    sdk.register_skill(archive)
            yield client
            processes = stack.processes()
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr
        assert not alive(processes)


@pytest.fixture(params=["sdk", "aio"])
async def call(live: Client, request: pytest.FixtureRequest) -> AsyncIterator[Both]:
    """Calls of either Python client."""
    if request.param == "sdk":
        with Sdk(live.url, API_KEY, timeout=60) as client:
            yield Both(client)
    else:
        async with AsyncClient(live.url, API_KEY, timeout=60) as aio:
            yield Both(aio)
