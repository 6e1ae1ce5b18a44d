"""Starts Envoy the way it runs in production."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        pid: The process, of which only the owner of the fixture may make an end.
    """

    address: str
    pid: int
    _log: Path

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def log(self) -> str:
        """Returns what Envoy has logged so far."""
        return self._log.read_text()


@contextmanager
def gateway(settings: GatewaySettings) -> Iterator[Gateway]:
    """Runs Envoy until the end of the block; starts it when `/health` answers."""
    with tempfile.TemporaryDirectory(prefix="skillbox-envoy-") as folder:
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(settings, Path(folder, "envoy.json")), stdout=output, stderr=output
            )
        running = Gateway(f"127.0.0.1:{settings.api_port}", process.pid, log)
        try:
            _wait(running, process)
            yield running
        finally:
            process.terminate()
            process.wait(_STOP_S)


def _wait(running: Gateway, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            httpx.get(f"{running.url}/health", timeout=1).raise_for_status()
            return
        except httpx.TransportError:
            assert process.poll() is None, f"Envoy ended:\n{running.log()}"
            assert time.monotonic() < deadline, f"Envoy does not answer:\n{running.log()}"
            time.sleep(0.05)
