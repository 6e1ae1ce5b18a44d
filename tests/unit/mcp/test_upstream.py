import pytest
from mcp import MCPError
from mcp_types import INVALID_REQUEST
from starlette.requests import Request

from skillbox.mcp import Upstream
from skillbox.mcp.transports import is_loopback
from skillbox.mcp.upstream import bearer


def request(authorization: str) -> Request:
    return Request({"type": "http", "headers": [(b"authorization", authorization.encode())]})


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer sk-a", "sk-a"),
        ("bearer  sk-a ", "sk-a"),
        ("Basic sk-a", ""),
        ("Bearer", ""),
        ("Bearer ", ""),
        ("", ""),
    ],
)
def test_the_key_of_a_header(header: str, key: str) -> None:
    assert bearer(header) == key


async def test_without_any_key_nobody_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    # That of the environment is for those whom `skillbox mcp` gave it to.
    monkeypatch.setenv("SKILLBOX_API_KEY", "sk-env")
    for caller in (None, request("Basic x")):
        with pytest.raises(MCPError) as caught:
            Upstream("http://localhost").client(caller)
        assert caught.value.code == INVALID_REQUEST
    assert Upstream("http://localhost").client(request("Bearer sk-a"))
    assert Upstream("http://localhost", "sk-b").client(None)


@pytest.mark.parametrize(
    ("upstream", "caller"),
    [
        (Upstream("http://localhost/path", "sk-a"), None),
        (Upstream("http://localhost"), request("Bearer sk-\u00e4")),
    ],
)
async def test_what_cannot_be_used_is_an_error(upstream: Upstream, caller: Request | None) -> None:
    with pytest.raises(MCPError):
        upstream.client(caller)


def test_no_key_is_shown() -> None:
    assert "sk-a" not in repr(Upstream("http://localhost", "sk-a"))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
