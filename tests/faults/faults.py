"""The faults, as real as this machine can make them."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.stack import Client

Inflict = Callable[[Client], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong and is over when `inflict` returns.

    Attributes:
        quick: Whether `make test` has the time for it.
        ends: An end that it must have caused, so that we know that it hit somebody.
    """

    name: str
    inflict: Inflict
    quick: bool = True
    ends: str = ""


def pids(client: Client, program: str) -> list[int]:
    """Returns the processes of a program, one for each replica."""
    services = client.stack.status()["services"]
    found = [
        each["pid"]
        for name, each in services.items()
        if name == program or name.startswith(f"{program}-")
    ]
    assert found, f"no {program} in {sorted(services)}"
    return [pid for pid in found if pid]


def kill(program: str, *, every: bool = False) -> Inflict:
    """Kills one replica of a program, or all; its supervisor starts it again."""

    async def inflict(client: Client) -> None:
        victims = pids(client, program)
        for pid in victims if every else victims[:1]:
            os.kill(pid, signal.SIGKILL)
        await _running_again(client, program)

    return inflict


def restart(program: str) -> Inflict:
    """Ends the replicas in good order, one after another, as a rolling update does."""

    async def inflict(client: Client) -> None:
        for pid in pids(client, program):
            os.kill(pid, signal.SIGTERM)
            await _running_again(client, program, instead_of=pid)
            await asyncio.sleep(1)

    return inflict


def hang(program: str, seconds: float) -> Inflict:
    """Stops a program's processes where they are: connections stay open and say nothing."""

    async def inflict(client: Client) -> None:
        async with _stopped(client, program):
            await asyncio.sleep(seconds)

    return inflict


def slow(program: str, seconds: float) -> Inflict:
    """Lets a program run a fifth of the time only."""

    async def inflict(client: Client) -> None:
        for _ in range(round(seconds / 0.5)):
            async with _stopped(client, program):
                await asyncio.sleep(0.4)
            await asyncio.sleep(0.1)

    return inflict


def full_disk(folder: str, seconds: float) -> Inflict:
    """Fills the file system of a folder of the data directory."""

    async def inflict(client: Client) -> None:
        with _ballast(client.stack.data_dir / folder):
            await asyncio.sleep(seconds)

    return inflict


@contextmanager
def _ballast(folder: Path) -> Iterator[None]:
    with tempfile.NamedTemporaryFile(dir=folder, buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield


@asynccontextmanager
async def _stopped(client: Client, program: str) -> AsyncIterator[None]:
    # Postgres is a family: who is stopped must be all of it.
    family: list[int] = []
    for pid in pids(client, program):
        process = psutil.Process(pid)
        family += [pid, *(child.pid for child in process.children(recursive=True))]
    for pid in family:
        _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def _running_again(client: Client, program: str, instead_of: int = 0) -> None:
    async with asyncio.timeout(30):
        while True:
            services = client.stack.status()["services"]
            states = [
                each
                for name, each in services.items()
                if name == program or name.startswith(f"{program}-")
            ]
            if all(
                each["state"] == "running" and each["pid"] not in (None, instead_of)
                for each in states
            ):
                return
            await asyncio.sleep(0.2)


FAULTS = (
    Fault("none", lambda client: asyncio.sleep(3)),
    Fault("kill executor", kill("executor")),
    Fault("kill every executor", kill("executor", every=True), ends="EXECUTOR_LOST"),
    Fault("restart executors", restart("executor")),
    Fault("kill registry", kill("registry", every=True)),
    Fault("kill auth", kill("auth", every=True)),
    Fault("kill gateway", kill("gateway")),
    Fault("kill postgres", kill("postgres")),
    Fault("hang postgres", hang("postgres", 5)),
    Fault("slow postgres", slow("postgres", 6), quick=False),
    Fault("hang postgres for long", hang("postgres", 25), quick=False),
    Fault("kill s3", kill("s3")),
    Fault("hang s3", hang("s3", 5), quick=False),
    Fault("full disk of s3", full_disk("s3", 12), ends="INTERNAL"),
    Fault("hang executors", hang("executor", 15), quick=False),
    Fault("restart registries", restart("registry"), quick=False),
    Fault("restart auths", restart("auth"), quick=False),
)
