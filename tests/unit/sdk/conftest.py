from collections.abc import Iterator

import pytest

from skillbox import Client
from tests.unit.sdk.fake_server import FakeServer, serve


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKILLBOX_API_KEY", raising=False)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as fake:
        yield fake


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(server.url, "sk-test", timeout=10) as client:
        yield client
