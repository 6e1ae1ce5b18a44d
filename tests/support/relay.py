"""A network that can be cut: a relay before a real part, as a process of its own.

    python -m tests.support.relay PORT FILE

A cut takes the connections that there are for ever, as when a firewall or a standby forgets
them: no reset, no data, not even afterwards. New ones are not answered until it is healed.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.parts import free_port, wait_for_port

# Once more have come during a cut, nobody hears even the first packet of the next.
_BACKLOG = 8
_CHUNK = 64 * 1024

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Relay:
    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self._open: dict[asyncio.Task[object], tuple[Stream, Stream]] = {}
        self._forgotten: list[Stream] = []

    async def serve(self, port: int) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._cut)
        server = await asyncio.start_server(
            self._connected, "127.0.0.1", port, backlog=_BACKLOG, start_serving=True
        )
        await server.serve_forever()

    def _cut(self) -> None:
        cut, self._open = self._open, {}
        for task in cut:
            task.cancel()
        os.kill(os.getpid(), signal.SIGSTOP)
        # Healed. The part has given the old connections up; the others never hear of it.
        for client, part in cut.values():
            part[1].transport.abort()
            self._forgotten.append(client)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = reader, writer
        try:
            part = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        task: asyncio.Task[object] = asyncio.ensure_future(
            asyncio.gather(_copy(client[0], part[1]), _copy(part[0], client[1]))
        )
        self._open[task] = client, part
        with suppress(asyncio.CancelledError, OSError):
            await task
        if self._open.pop(task, None):
            client[1].transport.abort()
            part[1].transport.abort()

    async def _connect(self) -> Stream:
        address = self._upstream.read_text()
        if address.startswith("/"):
            return await asyncio.open_unix_connection(address)
        host, _, port = address.rpartition(":")
        return await asyncio.open_connection(host, int(port))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


@dataclass(frozen=True)
class Relay:
    """A running relay.

    Attributes:
        address: Where it listens.
        upstream: A file with the address of the part, HOST:PORT or the path of a socket, which
            may be written after the relay has started.
    """

    address: str
    upstream: Path
    _process: "subprocess.Popen[bytes]"

    def cut(self) -> None:
        """Returns when nothing comes through: a `heal` before that would be lost."""
        self._process.send_signal(signal.SIGUSR1)
        relay = psutil.Process(self._process.pid)
        deadline = time.monotonic() + 20
        while relay.status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline, "the relay does not stop"
            time.sleep(0.005)

    def heal(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def relay(upstream: Path) -> Iterator[Relay]:
    """Runs a relay for the block."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", __name__, str(port), upstream])
    try:
        wait_for_port(port, process)
        yield Relay(f"127.0.0.1:{port}", upstream, process)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_Relay(Path(sys.argv[2])).serve(int(sys.argv[1])))
