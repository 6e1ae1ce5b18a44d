"""One Envoy in front of one set of services for all tests here."""

from collections.abc import AsyncIterator, Iterator

import grpc.aio
import httpx
import pytest

from skillbox_gateway.config import GatewaySettings
from tests.gateway.backend import TOKEN, Backend
from tests.gateway.backend import backend as run_backend
from tests.support.envoy import Gateway, gateway
from tests.support.parts import free_port

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="session")
async def backend() -> AsyncIterator[Backend]:
    async with run_backend() as running:
        yield running


@pytest.fixture(scope="session")
def envoy(backend: Backend) -> Iterator[Gateway]:
    settings = GatewaySettings(
        api_host="127.0.0.1", api_port=free_port(), admin_port=free_port(), **backend.settings()
    )
    with gateway(settings) as running:
        yield running
        assert "lua" not in running.log(), "the filter failed"


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
async def rest(
    envoy: Gateway, request: pytest.FixtureRequest
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key, once for each version of HTTP."""
    http2 = request.param == "HTTP/2"
    async with httpx.AsyncClient(
        base_url=envoy.url, headers=AUTHORIZED, http1=not http2, http2=http2, timeout=20
    ) as client:
        yield client


@pytest.fixture
async def channel(envoy: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(envoy.address) as channel:
        yield channel
