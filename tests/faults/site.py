"""Where the faults happen: stacks with two replicas of each service, seen from inside."""

import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc.aio
import httpx
import psutil

from skillbox.executor.v1.readiness_service_pb2 import GetReadinessRequest
from skillbox.executor.v1.readiness_service_pb2_grpc import ReadinessServiceStub
from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.interface import Language
from skillbox_local import state
from tests.e2e.stack import DOCKER_HOST, Client, Stack
from tests.support.docker_engine import PrivateEngine, private_engine
from tests.support.services import health

REPLICAS = 2
POOL_SIZE = 5
_OPTIONS = ("--replicas", str(REPLICAS))
_DISK = "400m"
_S3_DISK = "16m"
# Python runs it first. Envoy does not start under libfaketime, and Postgres may well be on another
# machine, so only the services get the other clock.
_SITECUSTOMIZE = """
import os, sys
services = {"skillbox_auth", "skillbox_registry", "skillbox_executor"}
if "LD_PRELOAD" not in os.environ and services.intersection(sys.orig_argv):
    os.environ["LD_PRELOAD"] = "/usr/$LIB/faketime/libfaketime.so.1"
    os.execv(sys.executable, sys.orig_argv)
"""


@dataclass(frozen=True)
class Site:
    """A running stack, and what of it a test can break from outside.

    Attributes:
        temp: Where its processes make temporary files.
        engine: Is the stack's alone; `None` without Docker.
        clock: Holds by how many seconds the clock of its services is wrong, such as `+3600`;
            `None` when it has the machine's clock.
    """

    client: Client
    temp: Path
    engine: PrivateEngine | None = None
    clock: Path | None = None

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


@asynccontextmanager
async def on_bubblewrap() -> AsyncIterator[Site]:
    with _folder() as folder, _stack(folder, "bubblewrap") as site:
        yield site


@asynccontextmanager
async def on_docker() -> AsyncIterator[Site]:
    """Docker behind socket proxies, with an engine that may be killed."""
    async with private_engine() as engine:
        await engine.load(images.name(Language.PYTHON), DOCKER_HOST)
        with (
            _folder() as folder,
            _stack(folder, "docker", {"SKILLBOX_DOCKER_HOST": engine.host}, engine=engine) as site,
        ):
            yield site


@asynccontextmanager
async def with_another_clock() -> AsyncIterator[Site]:
    """The services see a clock that jumps. Monotonic clocks are right, as they are then."""
    with _folder() as folder:
        clock = folder / "clock"
        clock.write_text("+0")
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        env = {
            "PYTHONPATH": str(folder),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "1",
        }
        with _stack(folder, "bubblewrap", env, clock=clock) as site:
            yield site


STACKS = {
    "bubblewrap": on_bubblewrap,
    "docker": on_docker,
    "clock": with_another_clock,
}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="skillbox-faults-") as name:
        yield Path(name)


@contextmanager
def _stack(
    folder: Path,
    sandbox: str,
    env: dict[str, str] | None = None,
    engine: PrivateEngine | None = None,
    clock: Path | None = None,
) -> Iterator[Site]:
    temp = folder / "tmp"
    temp.mkdir()
    temp.chmod(0o1777)
    settings = {
        "TMPDIR": str(temp),
        "SKILLBOX_SHUTDOWN_GRACE": "10",
        "SKILLBOX_DB_POOL_SIZE": str(POOL_SIZE),
        **(env or {}),
    }
    stack = Stack(folder / "data", sandbox, env=settings, options=_OPTIONS)
    with _small_disk(stack.data_dir, _DISK), _small_disk(stack.data_dir / "s3", _S3_DISK):
        # As `skillbox up` makes it: Postgres passes through, as another user.
        stack.data_dir.chmod(0o711)
        try:
            yield Site(stack.start(), temp, engine, clock)
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[None]:
    """Makes a folder a file system of its own, small enough to fill."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "skillbox-test", folder],
        check=True,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
