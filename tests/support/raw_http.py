"""HTTP/1.1 over a plain socket, for what no HTTP client would send."""

import http.client
import socket
from contextlib import suppress
from dataclasses import dataclass, field

# A server that is silent for longer hangs.
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Request:
    """A request, written as it stands.

    Attributes:
        headers: Without the length of the body.
        tail: What stands behind the headers, if it is not the plain body with its length.
    """

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    version: bytes = b"HTTP/1.1"
    tail: bytes | None = None

    def encode(self) -> bytes:
        headers = list(self.headers)
        if self.tail is None and self.body:
            headers.append((b"Content-Length", b"%d" % len(self.body)))
        lines = [b"%s %s %s" % (self.method, self.target, self.version)]
        lines += [b"%s: %s" % header for header in headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + (self.body if self.tail is None else self.tail)


@dataclass(frozen=True)
class Reply:
    """What came back first; a second reply on the same connection does not count."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


def exchange(
    address: tuple[str, int], data: bytes, method: str = "GET", *, complete: bool = True
) -> Reply | None:
    """Sends bytes and reads the reply; None when the server closes without one.

    Args:
        method: Of the request, which says whether the reply has a body.
        complete: Whether the server has all that it needs. Otherwise no more is said after a
            moment, and the server may close.

    Raises:
        TimeoutError: There was neither a reply nor an end.
    """
    with socket.create_connection(address, TIMEOUT_S) as connection:
        # It need not read all before it refuses.
        with suppress(ConnectionError):
            connection.sendall(data)
        if not complete:
            connection.settimeout(0.1)
            try:
                connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                connection.shutdown(socket.SHUT_WR)
            except ConnectionError:
                return None
            connection.settimeout(TIMEOUT_S)
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
            body = response.read()
        except (ConnectionError, http.client.RemoteDisconnected):
            return None
        return Reply(
            response.status, {name.lower(): value for name, value in response.getheaders()}, body
        )
