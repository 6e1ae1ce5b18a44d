"""The faults, as real as this machine can make them."""

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.stack import alive
from tests.e2e.waiting import until
from tests.faults.site import Site, family, send, serves_again

Inflict = Callable[[Site], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong and is over when `inflict` returns.

    Those of one stack stand together: it is started once.

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


def kill(program: str, *, every: bool = False, times: int = 1) -> Inflict:
    """Kills one replica of a program, or all; its supervisor starts it again.

    Args:
        times: How often, so that it is away for longer: each time as soon as it is back.
    """

    async def inflict(site: Site) -> None:
        names = list(site.processes(program))[: None if every else 1]
        for _ in range(times):
            victims = await _all_of(site, names)
            send(signal.SIGKILL, *victims.values())
            await _gone(victims)
        for name, process in victims.items():
            await _replaced(site, name, process.pid)

    return inflict


def restart(program: str) -> Inflict:
    """Ends the replicas in good order, one after another, as a rolling update does."""

    async def inflict(site: Site) -> None:
        for name, process in site.processes(program).items():
            send(signal.SIGTERM, process)
            await _replaced(site, name, process.pid)
            # Until the others have found it.
            await asyncio.sleep(2)

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


async def full_disk_and_kill(site: Site) -> None:
    """Kills services while nobody can write a file, not even who starts them again."""
    with _ballast(site.data_dir):
        send(signal.SIGKILL, *site.processes("registry").values())
        await asyncio.sleep(12)


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
    """Lets the clock of all services jump, and after a while back."""

    async def inflict(site: Site) -> None:
        assert site.clock is not None
        site.clock.write_text(f"{seconds:+}")
        try:
            await asyncio.sleep(6)
            assert await site.fetch(
                "SELECT FROM executor.executions "
                "WHERE abs(extract(epoch FROM created_at - now()) - $1) < 60",
                seconds,
            ), "the clock has not jumped"
        finally:
            site.clock.write_text("+0")
        await asyncio.sleep(2)

    return inflict


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


async def _all_of(site: Site, names: Collection[str]) -> dict[str, psutil.Process]:
    """Returns these processes as soon as all of them run."""

    async def find() -> dict[str, psutil.Process]:
        found = {
            name: each for name, each in site.processes().items() if name in names and alive([each])
        }
        return found if len(found) == len(names) else {}

    return await until(find)


async def _gone(victims: dict[str, psutil.Process]) -> None:
    async def gone() -> bool:
        return not alive(victims.values())

    await until(gone)


async def _replaced(site: Site, name: str, pid: int) -> None:
    await until(lambda: serves_again(site, name, instead_of=pid), seconds=40)


FAULTS = (
    Fault("none", nothing, quick=False, harmless=True),
    Fault("kill executor", kill("executor"), quick=False, hits="EXECUTOR_LOST"),
    Fault("kill every executor", kill("executor", every=True), hits="EXECUTOR_LOST"),
    Fault("restart executors", restart("executor"), harmless=True),
    Fault("hang executors", hang("executor", 15), quick=False, hits="callers"),
    Fault("kill registry", kill("registry", every=True), quick=False, hits="callers"),
    Fault("restart registries", restart("registry"), quick=False, harmless=True),
    Fault("kill auth", kill("auth", every=True, times=2), hits="callers"),
    Fault("restart auths", restart("auth"), quick=False, harmless=True),
    Fault("kill gateway", kill("gateway"), hits="callers"),
    Fault("kill postgres", kill("postgres")),
    Fault("hang postgres", hang("postgres", 5), hits="callers"),
    Fault("cut off postgres", cut_off_postgres, quick=False, hits="callers"),
    Fault("slow postgres", slow("postgres", 8), quick=False),
    Fault("hang postgres for long", hang("postgres", 25), quick=False, hits="callers"),
    Fault("kill s3", kill("s3"), quick=False),
    Fault("hang s3", hang("s3", 8), quick=False, hits="callers"),
    Fault("full disk of s3", full_disk("s3", 8), hits="INTERNAL"),
    Fault("full disk of data", full_disk(".", 12), quick=False, hits="callers"),
    Fault("full disk, kill registry", full_disk_and_kill, quick=False, hits="callers"),
    Fault("kill dockerd", kill_engine, "docker", hits="ENGINE_LOST"),
    Fault("kill socket proxy", kill("socket-proxy"), "docker", hits="ENGINE_LOST"),
    Fault("hang dockerd", hang_engine(5), "docker", quick=False, hits="callers"),
    Fault("kill executor on docker", kill("executor"), "docker", quick=False, hits="EXECUTOR_LOST"),
    Fault("restart executors on docker", restart("executor"), "docker", quick=False, harmless=True),
    Fault("clock jumps ahead", jump(3600), "clock", quick=False),
    Fault("clock jumps back", jump(-3600), "clock", quick=False),
)
