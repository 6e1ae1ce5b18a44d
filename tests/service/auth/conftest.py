"""A running Auth service, shared by the tests of this folder; each test has a tenant of its own."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from skillbox.auth.v1.introspection_service_pb2_grpc import IntrospectionServiceStub
from skillbox_auth.api_key import digest, issue
from skillbox_auth.config import Settings
from skillbox_auth.main import SCHEMA
from skillbox_auth.store.postgres import PostgresApiKeyStore
from skillbox_common import db
from tests.support import parts
from tests.support.services import Service, run_service

if TYPE_CHECKING:
    from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceAsyncStub
    from skillbox.auth.v1.introspection_service_pb2_grpc import IntrospectionServiceAsyncStub

BOOTSTRAP_KEY = "sk-example-test-key"
BOOTSTRAP_TENANT = "acme"

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture(scope="session")
async def auth_dsn(postgres_server: str) -> AsyncIterator[str]:
    async with parts.database(postgres_server) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def auth(auth_dsn: str) -> AsyncIterator[Service]:
    environment = {
        "SKILLBOX_DB_DSN": auth_dsn,
        "SKILLBOX_BOOTSTRAP_API_KEY": BOOTSTRAP_KEY,
        "SKILLBOX_BOOTSTRAP_TENANT": BOOTSTRAP_TENANT,
    }
    async with run_service("skillbox_auth", environment) as service:
        yield service


@pytest.fixture
async def channel(auth: Service) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(auth.address) as channel:
        yield channel


@pytest.fixture
def api_keys(channel: grpc.aio.Channel) -> "ApiKeyServiceAsyncStub":
    return ApiKeyServiceStub(channel)


@pytest.fixture
def introspection(channel: grpc.aio.Channel) -> "IntrospectionServiceAsyncStub":
    return IntrospectionServiceStub(channel)


@dataclass(frozen=True)
class Tenants:
    """Puts keys straight into the store, because no API makes a tenant."""

    store: PostgresApiKeyStore

    async def caller(
        self,
        tenant_id: str = "",
        scopes: Sequence[str] = ("admin",),
        expires_at: datetime | None = None,
    ) -> Metadata:
        """Returns the metadata that a new key of a (new) tenant is sent with."""
        issued = issue(
            tenant_id=tenant_id or uuid.uuid4().hex,
            name="caller",
            scopes=scopes,
            expires_at=expires_at,
        )
        await self.store.insert(issued.key, digest(issued.secret))
        return (("authorization", f"Bearer {issued.secret}"),)


@pytest.fixture
async def tenants(auth: Service, auth_dsn: str) -> AsyncIterator[Tenants]:
    async with db.connect(Settings(db_dsn=auth_dsn), SCHEMA) as pool:
        yield Tenants(PostgresApiKeyStore(pool))
