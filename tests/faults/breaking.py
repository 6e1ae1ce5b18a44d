"""Ways to break a part, as real as this machine can make them."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil

from skillbox_executor.engine import PATIENCE_S
from tests.e2e.stack import alive
from tests.e2e.waiting import until
from tests.faults.load import SKILL
from tests.faults.site import Site, family, send, serves_again

_WAITING = "SELECT id FROM executor.executions WHERE status = 'queued' AND owner IS NULL"

Inflict = Callable[[Site], Awaitable[None]]
"""Breaks something, and returns when that is over."""


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


def cut(seconds: float, *parts: str) -> Inflict:
    """Cuts the network before parts: connections say nothing any more, not even afterwards."""

    async def inflict(site: Site) -> None:
        for part in parts:
            site.relays[part].cut()
        try:
            await asyncio.sleep(seconds)
        finally:
            for part in parts:
                site.relays[part].heal()

    return inflict


async def kill_engine(site: Site) -> None:
    """Kills the Docker Engine and what looks after its containers; starts it again."""
    async with _engine_away(site):
        await asyncio.sleep(1)


async def kill_engine_for_long(site: Site) -> None:
    """Does the same, until callers are told."""

    async def refused() -> bool:
        async with site.client.http() as http:
            reply = await http.post(
                "/v1/executions",
                headers={"Prefer": "respond-async"},
                json={"skill": SKILL, "input": {"number": -1}},
            )
            return reply.status_code == 503 and reply.headers.get("retry-after") == "2"

    async with _engine_away(site):
        await asyncio.sleep(PATIENCE_S)
        await until(refused)
        async with site.client.http() as http:
            reply = await http.get("/ready")
        assert (reply.status_code, reply.json()["checks"]["sandbox"] == "ok") == (503, False)


@asynccontextmanager
async def _engine_away(site: Site) -> AsyncIterator[None]:
    """Kills the engine for the block, which begins when somebody waits for it."""
    assert site.engine is not None
    await site.engine.kill()
    try:
        await until(lambda: site.fetch(_WAITING))
        yield
    finally:
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
