"""Runs small skills in boxes of any driver and language, and keeps all that comes out."""

import io
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from skillbox_executor.sandbox.frames import End, Output, Result
from skillbox_executor.sandbox.interface import Box, Driver, Language, Limits, Payload, Profile

MIB = 1024 * 1024
LIMITS = Limits(memory_bytes=256 * MIB, cpus=2, sandbox_bytes=64 * MIB)
SCRIPTS = {
    Language.PYTHON: "scripts/main.py",
    Language.NODE: "scripts/main.js",
    Language.BASH: "scripts/main.sh",
}


@dataclass
class Ran:
    """What came out of a run.

    Attributes:
        heard: When each piece of output came, in seconds since the start, and the piece.
        seconds: How long it took to the end frame.
        left: What the skill left in /sandbox/out, by name.
        contents: The content of regular files among it.
    """

    stdout: bytes = b""
    stderr: bytes = b""
    heard: list[tuple[float, bytes]] = field(default_factory=list)
    seconds: float = 0
    end: End = field(default_factory=End)
    left: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def ok(self) -> str:
        """Returns what a skill that must succeed printed."""
        assert (self.end.exit_code, self.stderr) == (0, b""), (self.end, self.stdout, self.stderr)
        return self.stdout.decode()


class Bench:
    """A driver under test.

    Args:
        make: Makes a driver whose boxes belong to the owner that it is given.
        images: What the driver takes for each language.
    """

    def __init__(
        self, make: Callable[[str], Driver], owner: str, images: Mapping[Language, str]
    ) -> None:
        self.make = make
        self.owner = owner
        self.images = images
        self.driver = make(owner)

    def profile(self, language: Language, limits: Limits = LIMITS) -> Profile:
        return Profile(self.images[language], language, limits)

    @asynccontextmanager
    async def box(self, language: Language, limits: Limits = LIMITS) -> AsyncIterator[Box]:
        """Yields a box; it is destroyed at the end."""
        box = await self.driver.prepare(self.profile(language, limits))
        try:
            yield box
        finally:
            await self.driver.destroy(box)

    async def run(
        self, language: Language, script: str, *args: str, limits: Limits = LIMITS, **more: Any
    ) -> Ran:
        """Runs a script in a box of its own; `more` is for `payload`."""
        async with self.box(language, limits) as box:
            return await self.run_in(box, payload(language, script, *args, **more))

    async def run_in(self, box: Box, what: Payload) -> Ran:
        """Runs a payload in a box that stays."""
        start = time.monotonic()
        ran = Ran()
        tar = bytearray()
        async for frame in self.driver.run(box, what):
            match frame:
                case Output(stream, data):
                    ran.heard.append((time.monotonic() - start, data))
                    setattr(ran, stream, getattr(ran, stream) + data)
                case Result(data):
                    tar += data
                case End():
                    ran.end = frame
        ran.seconds = time.monotonic() - start
        with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                ran.left[name] = member
                if content := archive.extractfile(member) if member.isreg() else None:
                    ran.contents[name] = content.read()
        return ran


def payload(
    language: Language,
    script: str,
    *args: str,
    files: Mapping[str, bytes] | None = None,
    env: Mapping[str, str] | None = None,
    max_files: int = 1000,
) -> Payload:
    """Packs a skill of one script and some files."""
    entries = {"input.json": b"{}", SCRIPTS[language]: script.encode(), **(files or {})}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return Payload([SCRIPTS[language], *args], env or {}, [content.getvalue()], max_files)
