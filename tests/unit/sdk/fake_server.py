"""A small HTTP server with canned replies that remembers what it was asked."""

import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Request:
    """What came in; `port` tells connections apart."""

    method: str
    path: str
    headers: Message
    body: bytes
    port: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What goes out.

    Attributes:
        body: Bytes, or pieces of a chunked reply, each sent as soon as it is there.
        cut: Break the connection where the reply would end.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


Answer = Reply | Callable[[Request], Reply]


def json_reply(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def refusal(status: int, code: str, message: str) -> Reply:
    return json_reply({"error": code, "message": message}, status)


class FakeServer:
    """Answers by `METHOD /path`, without its query."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Answer] = {}
        self.requests: list[Request] = []

    def on(self, route: str, answer: Answer | object) -> None:
        """Sets what a route answers; anything but a reply or a function is sent as JSON."""
        self.answers[route] = (
            answer if isinstance(answer, Reply) or callable(answer) else json_reply(answer)
        )

    @property
    def last(self) -> Request:
        return self.requests[-1]


@contextmanager
def serve() -> Iterator[FakeServer]:
    """Runs a server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            path, _, _ = self.path.partition("?")
            answer = fake.answers.get(f"{self.command} {path}")
            unread = isinstance(answer, Reply) and answer.headers.get("X-Unread")
            body = b"" if unread else self.rfile.read(length)
            request = Request(self.command, self.path, self.headers, body, self.client_address[1])
            fake.requests.append(request)
            if answer is None:
                answer = refusal(404, "not_found", f"no {self.command} {self.path}")
            self._send(answer if isinstance(answer, Reply) else answer(request))

        def _send(self, reply: Reply) -> None:
            if reply.cut and not reply.body:
                self._cut()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if isinstance(reply.body, bytes):
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in reply.body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if reply.cut:
                self._cut()
            else:
                self.wfile.write(b"0\r\n\r\n")

        def _cut(self) -> None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

        do_GET = do_POST = do_DELETE = _handle

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = FakeServer(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
