"""Fixtures that start real parts. Each lives as long as the session; data is not shared."""

import uuid
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support import parts


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """DSN of a running Postgres server."""
    with parts.postgres(tmp_path_factory.mktemp("postgres")) as dsn:
        yield dsn


@pytest.fixture
async def dsn(postgres_server: str) -> AsyncIterator[str]:
    """DSN of an empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(postgres_server)
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        yield urlsplit(postgres_server)._replace(path=f"/{name}").geturl()
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[parts.S3]:
    """A running S3 server without buckets."""
    with parts.s3(tmp_path_factory.mktemp("s3")) as store:
        yield store
