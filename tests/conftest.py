"""Fixtures that start real parts. Each lives as long as the session; data is not shared."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.e2e.stack import Client, Stack
from tests.support import parts

# A process may stand still at any time, which says nothing about an example.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """DSN of a running Postgres server."""
    # Not below pytest's own folder: each pytest that starts closes that one to other users,
    # and as root Postgres runs as another user.
    with (
        tempfile.TemporaryDirectory(prefix="skillbox-postgres-") as folder,
        parts.postgres(Path(folder, "data")) as dsn,
    ):
        yield dsn


@pytest.fixture
async def dsn(postgres_server: str) -> AsyncIterator[str]:
    """DSN of an empty database of the test's own."""
    async with parts.database(postgres_server) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.S3]:
    """A running S3 server without buckets."""
    with parts.s3(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(scope="session")
def live() -> Iterator[Client]:
    """A client of a whole stack on bubblewrap; all tests of the session share its data."""
    with tempfile.TemporaryDirectory(prefix="skillbox-live-") as folder:
        stack = Stack(Path(folder, "data"), "bubblewrap")
        try:
            stack.start()
            yield Client(stack, stack.status()["url"])
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr
