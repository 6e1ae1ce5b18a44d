"""Starts the socket proxy as it is deployed: HAProxy over rendered files."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skillbox_executor.sandbox.proxy import CONFIG, ProxySettings, render, write

_READY_S = 30.0
_ANSWER_S = 30.0


@dataclass(frozen=True)
class Reply:
    """What came back for one request; status 0 is a connection that was just closed."""

    status: int = 0
    headers: bytes = b""
    body: bytes = b""

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])


@dataclass(frozen=True)
class SocketProxy:
    """A running proxy.

    Attributes:
        port: Where it listens on the loopback.
        log: What it has said.
    """

    port: int
    log: Path = field(repr=False)

    @property
    def docker_host(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Opens a plain connection, for what an HTTP client would not send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(_ANSWER_S):
                yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def send(self, raw: bytes) -> Reply:
        """Sends bytes and returns the first reply."""
        async with self.connect() as (reader, writer):
            writer.write(raw)
            return await read_reply(reader, has_body=not raw.startswith(b"HEAD "))

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: Iterable[str] = ()
    ) -> Reply:
        """Sends a well-formed request."""
        return await self.send(request(method, target, body, headers))

    async def create(self, name: str, body: Mapping[str, Any] | bytes) -> Reply:
        """Asks for a container; a mapping is sent as the driver's client would send it."""
        sent = body if isinstance(body, bytes) else json.dumps(body, sort_keys=True).encode()
        return await self.ask("POST", f"/v1.41/containers/create?name={name}", sent)


def request(method: str, target: str, body: bytes = b"", headers: Iterable[str] = ()) -> bytes:
    """Writes a request with a length."""
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: docker",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def read_reply(reader: asyncio.StreamReader, has_body: bool = True) -> Reply:
    """Reads one reply with a length; what announces more to come is skipped."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(maxsplit=2)[1])
        if status == 100:
            return await read_reply(reader, has_body)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if has_body and name.lower() == b"content-length":
                length = int(value)
        return Reply(status, head, await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return Reply()


@asynccontextmanager
async def run_socket_proxy(settings: ProxySettings) -> AsyncIterator[SocketProxy]:
    """Runs HAProxy for the block, which begins when it accepts connections."""
    with tempfile.TemporaryDirectory(prefix="skillbox-proxy-") as name:
        folder = Path(name)
        files = render(settings)
        # A test of a body that does not come should not take as long as in production.
        files[CONFIG] = files[CONFIG].replace("http-request 10s", "http-request 1s")
        write(files, folder)
        log = folder / "log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                "/usr/sbin/haproxy",
                "-db",
                "-f",
                str(folder / CONFIG),
                stdout=output,
                stderr=output,
            )
        proxy = SocketProxy(int(settings.listen.rpartition(":")[2]), log)
        try:
            async with asyncio.timeout(_READY_S):
                await _wait(proxy, process)
            yield proxy
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _wait(proxy: SocketProxy, process: asyncio.subprocess.Process) -> None:
    while True:
        try:
            async with proxy.connect():
                return
        except OSError:
            assert process.returncode is None, f"HAProxy ended:\n{proxy.log.read_text()}"
            await asyncio.sleep(0.02)
