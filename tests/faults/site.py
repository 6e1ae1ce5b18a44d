"""Where the faults happen: a stack, seen from inside."""

import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import grpc.aio
import httpx
import psutil

from skillbox.executor.v1.readiness_service_pb2 import GetReadinessRequest
from skillbox.executor.v1.readiness_service_pb2_grpc import ReadinessServiceStub
from skillbox_local import state
from tests.e2e.stack import Client
from tests.support.docker_engine import PrivateEngine
from tests.support.relay import Relay
from tests.support.services import health

REPLICAS = 2
POOL_SIZE = 5


@dataclass(frozen=True)
class Site:
    """A running stack, and what of it a test can break from outside.

    Attributes:
        temp: Where its processes make temporary files.
        engine: Is the stack's alone; `None` without Docker.
        clock: Holds by how many seconds the clock of its services is wrong, such as `+3600`;
            `None` when it has the machine's clock.
        relays: Between the services and Postgres or S3, where there are any.
    """

    client: Client
    temp: Path
    engine: PrivateEngine | None = None
    clock: Path | None = None
    relays: Mapping[str, Relay] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.client.stack.data_dir

    @property
    def owners(self) -> dict[str, str]:
        """The id under which each Executor owns its boxes, by the name of its program."""
        first = (self.data_dir / "executor-id").read_text().strip()
        return {
            f"executor-{number}": first if number == 1 else f"{first}-{number}"
            for number in range(1, REPLICAS + 1)
        }

    def processes(self, program: str = "") -> dict[str, psutil.Process]:
        """Returns the replicas of a program, or all that is supervised; not those that are down."""
        found = {}
        current = state.read(self.data_dir / "state.json")
        assert current is not None
        for name, each in current.services.items():
            if each.pid and (not program or name == program or name.startswith(f"{program}-")):
                with suppress(psutil.NoSuchProcess):
                    found[name] = psutil.Process(each.pid)
        assert found or not program, f"no {program} in {sorted(current.services)}"
        return found

    async def healthy(self) -> bool:
        """Says whether every replica serves, and every Executor finds all that it needs."""
        try:
            async with self.client.http() as http:
                if (await http.get("/ready")).status_code != 200:
                    return False
            running = self.processes()
            addresses = {name: _address(each) for name, each in running.items()}
            for name, address in addresses.items():
                if address and not await _serves(name, address):
                    return False
        except (httpx.TransportError, grpc.aio.AioRpcError, psutil.NoSuchProcess):
            return False
        current = state.read(self.data_dir / "state.json")
        return current is not None and running.keys() == current.services.keys()

    async def connect(self) -> Any:
        """Connects to Postgres, which may be about to come back."""
        current = state.read(self.data_dir / "state.json")
        assert current is not None
        folder = current.run_dir or self.data_dir / "postgres"
        dsn = f"postgresql://postgres@/postgres?host={folder}"
        for _ in range(20):
            with suppress(OSError, TimeoutError, asyncpg.PostgresError):
                return await asyncpg.connect(dsn, timeout=2)
        raise AssertionError("Postgres does not come back")

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Asks Postgres."""
        connection = await self.connect()
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()


def _address(process: psutil.Process) -> str:
    # Those that run as another user, or just end, say nothing.
    return process.environ().get("SKILLBOX_LISTEN", "")


async def _serves(name: str, address: str) -> bool:
    if await health(address) != 1:
        return False
    if not name.startswith("executor"):
        return True
    async with grpc.aio.insecure_channel(address) as channel:
        reply = await ReadinessServiceStub(channel).GetReadiness(GetReadinessRequest(), timeout=5)
    return bool(reply.status == "ready")


async def serves_again(site: Site, name: str, instead_of: int) -> bool:
    """Says whether a replica has been replaced and serves."""
    process = site.processes().get(name)
    if process is None or process.pid == instead_of:
        return False
    try:
        address = _address(process)
        return not address or await _serves(name, address)
    except (grpc.aio.AioRpcError, psutil.NoSuchProcess):
        return False


def family(process: psutil.Process) -> list[psutil.Process]:
    """Returns a process and all that descends from it."""
    return [process, *process.children(recursive=True)]


def send(number: signal.Signals, *processes: psutil.Process) -> None:
    """Sends a signal to those that still are."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
