import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from skillbox_local.errors import LocalError
from skillbox_local.ports import take
from skillbox_local.readiness import wait_until_ready

Reply = tuple[int, object]


class Gateway(HTTPServer):
    """Answers with each reply once, and with the last one from then on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Reply] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        assert self.path == "/ready"
        status, body = self.server.replies[0]
        if len(self.server.replies) > 1:
            self.server.replies.pop(0)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        thread = threading.Thread(target=gateway.serve_forever, args=(0.01,))
        thread.start()
        yield gateway
        gateway.shutdown()
        thread.join()


async def test_waits_through_not_ready(gateway: Gateway) -> None:
    gateway.replies = [
        (503, {"error": "service_unavailable", "message": "no healthy upstream"}),
        (503, {"status": "not_ready", "checks": {"postgres": "unavailable"}}),
        (200, {"status": "ready"}),
    ]
    await wait_until_ready(gateway.url, 10)
    assert len(gateway.replies) == 1


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            {"status": "not_ready", "checks": {"postgres": "ok", "s3": "timeout", "auth": "no"}},
            "s3: timeout, auth: no",
        ),
        ({"error": "service_unavailable", "message": "no healthy upstream"}, "no healthy upstream"),
        (b"<html>", "HTTP 503"),
    ],
)
async def test_says_what_is_missing(gateway: Gateway, reply: object, text: str) -> None:
    gateway.replies = [(503, reply)]
    with pytest.raises(LocalError, match=f"not ready after 0 seconds: {text}"):
        await wait_until_ready(gateway.url, 0)


async def test_says_when_nobody_listens() -> None:
    with (
        take(1) as (port,),
        pytest.raises(LocalError, match="the gateway does not answer"),
    ):
        await wait_until_ready(f"http://127.0.0.1:{port}", 0)
