"""Starts Envoy the way it runs in production."""

import asyncio
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.run import command

_READY_S = 20.0
_STOP_S = 10.0


@dataclass(frozen=True)
class Gateway:
    """A running Envoy.

    Attributes:
        address: host:port, for gRPC channels.
        process: The process, of which only the owner of the fixture may make an end.
    """

    address: str
    process: Process
    _log: Path

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def log(self) -> str:
        """Returns what Envoy has logged so far."""
        return self._log.read_text()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Opens a plain connection, for what an HTTP client would not send."""
        reader, writer = await asyncio.open_connection(*self.address.split(":"))
        try:
            async with asyncio.timeout(10):
                yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def run_gateway(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """Runs Envoy for the block, which begins when `/health` answers."""
    with tempfile.TemporaryDirectory(prefix="skillbox-envoy-") as folder:
        log = Path(folder, "log")
        arguments = command(settings, Path(folder, "envoy.json"))
        with log.open("wb") as output:  # noqa: ASYNC230 - nothing else runs yet
            process = await asyncio.create_subprocess_exec(*arguments, stdout=output, stderr=output)
        gateway = Gateway(f"127.0.0.1:{settings.api_port}", process, log)
        try:
            await _wait(gateway)
            yield gateway
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), _STOP_S)


async def _wait(gateway: Gateway) -> None:
    async with asyncio.timeout(_READY_S), httpx.AsyncClient(timeout=1) as client:
        while True:
            try:
                (await client.get(f"{gateway.url}/health")).raise_for_status()
                return
            except httpx.TransportError:
                assert gateway.process.returncode is None, f"Envoy ended:\n{gateway.log()}"
                await asyncio.sleep(0.05)
