"""One stack for all examples, with every example skill on it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Client, Stack, alive
from tests.examples.running import SKILLS


@pytest.fixture(scope="session", params=[pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)])
def live(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of a running stack."""
    with tempfile.TemporaryDirectory(prefix="skillbox-examples-") as name:
        stack = Stack(Path(name, "data"), request.param)
        try:
            stack.start()
            client = Client(stack, stack.status()["url"])
            for skill in SKILLS:
                client.cli_ok("skill", "push", skill)
            yield client
            processes = stack.processes()
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr
        assert not alive(processes)
