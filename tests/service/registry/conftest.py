"""One Registry for the tests of this folder; each test has tenants of its own."""

from collections.abc import AsyncIterator

import pytest

from skillbox_common import object_store
from skillbox_common.migrate import migrate
from skillbox_registry.main import PACKAGE, SCHEMA
from tests.service.registry.running import BUCKET, Caller, Registry, run_registry, settings_for
from tests.support import parts


@pytest.fixture(scope="session")
async def registry_dsn(postgres_server: str) -> AsyncIterator[str]:
    async with parts.database(postgres_server) as dsn:
        await migrate(PACKAGE, dsn, SCHEMA)
        yield dsn


@pytest.fixture(scope="session")
async def registry_s3(s3: parts.S3) -> parts.S3:
    """S3 with the bucket, which the servers of these tests share."""
    async with object_store.connect(settings_for("", s3), BUCKET) as store:
        await store.ensure_bucket()
    return s3


@pytest.fixture(scope="session")
async def registry(registry_dsn: str, registry_s3: parts.S3) -> AsyncIterator[Registry]:
    async with run_registry(registry_dsn, registry_s3) as running:
        yield running


@pytest.fixture
def caller(registry: Registry) -> Caller:
    """A caller of a tenant without skills."""
    return registry.caller()
