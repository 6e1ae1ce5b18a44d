"""The whole stack, started once for each driver."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Client, Stack, alive
from tests.e2e.waiting import until

DRIVERS = [
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for data directories.

    Not pytest's own: another pytest of the same user would take away the right to pass through
    it, which Postgres needs when it is started by root.
    """
    with tempfile.TemporaryDirectory(prefix="skillbox-e2e-") as name:
        yield Path(name)


@pytest.fixture(scope="session", params=DRIVERS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of a running stack; data is shared by all tests of the session."""
    with tempfile.TemporaryDirectory(prefix="skillbox-e2e-") as name:
        # Replicas share no memory: what holds for two of each service holds for more, and on
        # Docker one of each shows the same for a single one.
        replicas = "2" if request.param == "bubblewrap" else "1"
        stack = Stack(Path(name, "data"), request.param, options=("--replicas", replicas))
        try:
            client = stack.start()
            assert stack.status()["sandbox"] == request.param
            processes = stack.processes()
            yield client
            processes += stack.processes()
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr
        assert not alive(processes)
        assert not await stack.containers()


@pytest.fixture
async def single_use(client: Client) -> AsyncIterator[None]:
    """Fails when a box outlives its run. It is removed after the reply, hence the patience."""
    yield
    used = await client.used_boxes()

    async def removed() -> bool:
        return not used & await client.stack.boxes()

    await until(removed)
