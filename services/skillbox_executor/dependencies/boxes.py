"""Runs a program of ours in a box of its own, for its result."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Protocol

from skillbox_executor.sandbox.frames import End, Output, Result
from skillbox_executor.sandbox.interface import (
    Box,
    BoxLost,
    Driver,
    Language,
    Payload,
    Profile,
)

_TAIL = 64 * 1024
_SCRIPTS = {Language.PYTHON: "py", Language.NODE: "js"}


class Sink(Protocol):
    def write(self, data: bytes) -> None: ...


@dataclass(frozen=True)
class Done:
    """How a program ended.

    Attributes:
        end: `None` when the box ended before it.
        said: The end of what it printed.
    """

    end: End | None
    said: str
    out_of_memory: bool = False

    @property
    def exit_code(self) -> int | None:
        return self.end.exit_code if self.end else None


def program(name: str, language: Language) -> tuple[str, bytes]:
    """Returns the name and the source of a program in a language."""
    file = f"{name}.{_SCRIPTS[language]}"
    return file, files(__package__).joinpath("inside", file).read_bytes()


def tar_of(contents: Mapping[str, bytes]) -> bytes:
    """Packs files for a payload, without the end of the archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        size = tar.offset
    return out.getvalue()[:size]


async def run_program(
    driver: Driver, profile: Profile, payload: Payload, timeout_s: float, sink: Sink | None = None
) -> Done:
    """Runs a payload in a new box, to which nothing else is ever given.

    Args:
        sink: Gets the tar of what it left.

    Raises:
        SandboxError: The box cannot be made, or its runner failed.
        TimeoutError: It did not end in time.
    """
    said = bytearray()
    end = None
    async with asyncio.timeout(timeout_s), _box(driver, profile) as box:
        try:
            async for frame in driver.run(box, payload):
                match frame:
                    case Output(_, data):
                        said += data
                        del said[:-_TAIL]
                    case Result(data) if sink is not None:
                        sink.write(data)
                    case End():
                        end = frame
        except BoxLost as error:
            await driver.check()  # where the engine is gone, the program is not to blame
            said += f"\n{error}".encode()
        failed = end is None or end.exit_code != 0
        out_of_memory = failed and await driver.out_of_memory(box)
    return Done(end, said.decode(errors="replace"), out_of_memory)


@asynccontextmanager
async def _box(driver: Driver, profile: Profile) -> AsyncIterator[Box]:
    box = await driver.prepare(profile)
    try:
        yield box
    finally:
        await driver.destroy(box)
