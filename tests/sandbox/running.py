"""Runs small skills in boxes and collects what they say."""

import io
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from skillbox_executor.sandbox.frames import End, Output
from skillbox_executor.sandbox.interface import Box, Driver, Language, Limits, Payload, Profile

MIB = 1024 * 1024
LIMITS = Limits(memory_bytes=128 * MIB, cpus=2, sandbox_bytes=16 * MIB)


@dataclass
class Ran:
    """What came out of a run."""

    stdout: str = ""
    stderr: str = ""
    end: End = field(default_factory=End)
    out_of_memory: bool = False

    def printed(self) -> str:
        """Returns what a skill that must succeed printed."""
        assert (self.end.exit_code, self.stderr) == (0, ""), self
        return self.stdout


def payload(script: str, name: str = "main.py", argv: Sequence[str] = ()) -> Payload:
    """Packs a skill of one script."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(script.encode())
        tar.addfile(entry, io.BytesIO(script.encode()))
    return Payload([name, *argv], {}, [content.getvalue()])


@asynccontextmanager
async def box_of(
    driver: Driver, limits: Limits = LIMITS, language: Language = Language.PYTHON
) -> AsyncIterator[Box]:
    """Yields a box; it is destroyed at the end."""
    box = await driver.prepare(Profile("test", language, limits))
    try:
        yield box
    finally:
        await driver.destroy(box)


async def finish(driver: Driver, box: Box, what: Payload) -> Ran:
    """Runs a payload to its end."""
    ran = Ran()
    output: Mapping[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    async for frame in driver.run(box, what):
        if isinstance(frame, Output):
            output[frame.stream].extend(frame.data)
        elif isinstance(frame, End):
            ran.end = frame
    ran.stdout, ran.stderr = (output[name].decode() for name in ("stdout", "stderr"))
    ran.out_of_memory = await driver.out_of_memory(box)
    return ran


async def run_python(driver: Driver, script: str, *argv: str, limits: Limits = LIMITS) -> Ran:
    """Runs a Python script in a box of its own."""
    async with box_of(driver, limits) as box:
        return await finish(driver, box, payload(script, argv=argv))
