"""The faults, as real as this machine can make them."""

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.waiting import until
from tests.faults.site import Site, family, send, serves_again

Inflict = Callable[[Site], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong and is over when `inflict` returns.

    Attributes:
        stack: One of `site.STACKS`.
        quick: Whether `make test` has the time for it.
        hits: An end that it must have caused, or `callers` when some must have been refused or
            kept waiting. So we know that it hit somebody.
        harmless: Whether every execution has to succeed all the same.
    """

    name: str
    inflict: Inflict
    stack: str = "bubblewrap"
    quick: bool = True
    hits: str = ""
    harmless: bool = False


async def nothing(site: Site) -> None:
    await asyncio.sleep(3)


def kill(program: str, *, every: bool = False) -> Inflict:
    """Kills one replica of a program, or all; its supervisor starts it again."""

    async def inflict(site: Site) -> None:
        victims = list(site.processes(program).items())
        victims = victims if every else victims[:1]
        send(signal.SIGKILL, *(process for _, process in victims))
        for name, process in victims:
            await _replaced(site, name, process.pid)

    return inflict


def restart(program: str) -> Inflict:
    """Ends the replicas in good order, one after another, as a rolling update does."""

    async def inflict(site: Site) -> None:
        for name, process in site.processes(program).items():
            send(signal.SIGTERM, process)
            await _replaced(site, name, process.pid)
            # Until the others have found it.
            await asyncio.sleep(3)

    return inflict


def hang(program: str, seconds: float) -> Inflict:
    """Stops a program's processes where they are: connections stay open and say nothing."""

    async def inflict(site: Site) -> None:
        with _stopped(site, program):
            await asyncio.sleep(seconds)

    return inflict


def slow(program: str, seconds: float) -> Inflict:
    """Lets a program run a fifth of the time only."""

    async def inflict(site: Site) -> None:
        for _ in range(round(seconds / 0.5)):
            with _stopped(site, program):
                await asyncio.sleep(0.4)
            await asyncio.sleep(0.1)

    return inflict


def full_disk(folder: str, seconds: float) -> Inflict:
    """Fills the file system of a folder of the data directory."""

    async def inflict(site: Site) -> None:
        with _ballast(site.data_dir / folder):
            await asyncio.sleep(seconds)

    return inflict


async def cut_off_postgres(site: Site) -> None:
    """Cuts all connections of the database and refuses new ones."""
    (socket,) = site.data_dir.parent.rglob(".s.PGSQL.5432")
    away = socket.with_name("away")
    connection = await site.connect()
    try:
        socket.rename(away)
        for _ in range(16):
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.5)
    finally:
        away.rename(socket)
        await connection.close()


async def kill_engine(site: Site) -> None:
    """Kills the Docker Engine and what looks after its containers; starts it again."""
    assert site.engine is not None
    await site.engine.kill()
    await asyncio.sleep(1)
    await site.engine.start()


def hang_engine(seconds: float) -> Inflict:
    async def inflict(site: Site) -> None:
        assert site.engine is not None
        with site.engine.stopped():
            await asyncio.sleep(seconds)

    return inflict


def jump(seconds: int) -> Inflict:
    """Lets the clock of all processes jump, and after a while back."""

    async def inflict(site: Site) -> None:
        assert site.clock is not None
        before = await _now(site)
        site.clock.write_text(f"{seconds:+}")
        try:
            await asyncio.sleep(6)
            jumped = await _now(site) - before
            assert abs(jumped - seconds) < 60, f"the clock jumped by {jumped} seconds"
        finally:
            site.clock.write_text("+0")
        await asyncio.sleep(2)

    return inflict


async def _now(site: Site) -> float:
    (row,) = await site.fetch("SELECT extract(epoch FROM clock_timestamp())::float8 AS now")
    return float(row["now"])


@contextmanager
def _ballast(folder: Path) -> Iterator[None]:
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(1 << 20))
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield


@contextmanager
def _stopped(site: Site, program: str) -> Iterator[None]:
    # Postgres is a family: who is stopped must be all of it.
    stopped = [each for process in site.processes(program).values() for each in family(process)]
    send(signal.SIGSTOP, *stopped)
    try:
        yield
    finally:
        send(signal.SIGCONT, *stopped)


async def _replaced(site: Site, name: str, pid: int) -> None:
    await until(lambda: serves_again(site, name, instead_of=pid), seconds=40)


FAULTS = (
    Fault("none", nothing, quick=False, harmless=True),
    Fault("kill executor", kill("executor"), hits="EXECUTOR_LOST"),
    Fault("kill every executor", kill("executor", every=True), hits="EXECUTOR_LOST"),
    Fault("restart executors", restart("executor"), harmless=True),
    Fault("hang executors", hang("executor", 15), quick=False, hits="callers"),
    Fault("kill registry", kill("registry", every=True), hits="callers"),
    Fault("restart registries", restart("registry"), quick=False, harmless=True),
    Fault("kill auth", kill("auth", every=True), hits="callers"),
    Fault("restart auths", restart("auth"), quick=False, harmless=True),
    Fault("kill gateway", kill("gateway"), hits="callers"),
    Fault("kill postgres", kill("postgres")),
    Fault("hang postgres", hang("postgres", 5), hits="callers"),
    Fault("cut off postgres", cut_off_postgres, quick=False, hits="callers"),
    Fault("slow postgres", slow("postgres", 8), quick=False),
    Fault("hang postgres for long", hang("postgres", 25), quick=False, hits="callers"),
    Fault("kill s3", kill("s3")),
    Fault("hang s3", hang("s3", 8), quick=False, hits="callers"),
    Fault("full disk of s3", full_disk("s3", 12), hits="INTERNAL"),
    Fault("full disk of data", full_disk(".", 12), quick=False, hits="callers"),
    Fault("kill dockerd", kill_engine, "docker", hits="ENGINE_LOST"),
    Fault("kill socket proxy", kill("socket-proxy"), "docker", hits="ENGINE_LOST"),
    Fault("hang dockerd", hang_engine(5), "docker", quick=False, hits="callers"),
    Fault("kill executor on docker", kill("executor"), "docker", quick=False, hits="EXECUTOR_LOST"),
    Fault("restart executors on docker", restart("executor"), "docker", quick=False, harmless=True),
    Fault("clock jumps ahead", jump(3600), "clock", quick=False),
    Fault("clock jumps back", jump(-3600), "clock", quick=False),
)
