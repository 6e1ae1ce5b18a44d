"""One Envoy in front of one set of services for all tests here."""

from collections.abc import AsyncIterator

import grpc.aio
import httpx
import pytest

from tests.gateway.backend import TOKEN, Backend
from tests.gateway.backend import backend as run_backend
from tests.support.envoy import Gateway, run_gateway

AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="session")
async def backend() -> AsyncIterator[Backend]:
    async with run_backend() as running:
        yield running


@pytest.fixture(scope="session")
async def envoy(backend: Backend) -> AsyncIterator[Gateway]:
    async with run_gateway(backend.settings()) as gateway:
        yield gateway
        assert gateway.log() == "", "something in these tests made Envoy complain"


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
async def rest(envoy: Gateway, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key, once for each version of HTTP."""
    http2 = request.param == "HTTP/2"
    async with httpx.AsyncClient(
        base_url=envoy.url, headers=AUTHORIZED, http1=not http2, http2=http2, timeout=20
    ) as client:
        yield client


@pytest.fixture
async def http1(envoy: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key, for what does not depend on the version of HTTP."""
    async with httpx.AsyncClient(base_url=envoy.url, headers=AUTHORIZED, timeout=20) as client:
        yield client


@pytest.fixture
async def channel(envoy: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(envoy.address) as channel:
        yield channel
