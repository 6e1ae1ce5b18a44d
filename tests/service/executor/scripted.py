"""A driver that plays a script, for ends that no real engine can be brought to at will."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from skillbox_executor.sandbox.frames import End, Frame, Output, Result
from skillbox_executor.sandbox.interface import (
    Box,
    Control,
    Evidence,
    Payload,
    Profile,
    SandboxError,
)

Step = Frame | float | SandboxError
"""A frame to yield, seconds to sleep, or an error to raise."""


def tar(files: dict[str, bytes]) -> Result:
    """Returns the frame that a runner sends for these files of /sandbox/out."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return Result(out.getvalue())


@dataclass(eq=False)
class ScriptedBox:
    id: str
    profile: Profile


@dataclass
class ScriptedDriver:
    """Plays `script` in every box.

    Attributes:
        payloads: What was fed so far.
        boxes: Boxes that are not destroyed.
    """

    name: str = "scripted"
    script: Sequence[Step] = (End(exit_code=0),)
    prepare_error: SandboxError | None = None
    oom: bool = False
    payloads: list[Payload] = field(default_factory=list)
    boxes: set[Box] = field(default_factory=set)
    on_run: Callable[[], None] = lambda: None

    async def check(self) -> None:
        return

    async def prepare(self, profile: Profile) -> Box:
        if self.prepare_error:
            raise self.prepare_error
        box = ScriptedBox("box-1", profile)
        self.boxes.add(box)
        return box

    def alive(self, box: Box) -> bool:
        return box in self.boxes

    async def run(self, box: Box, payload: Payload) -> AsyncIterator[Frame]:
        self.payloads.append(payload)
        self.on_run()
        for step in self.script:
            if isinstance(step, SandboxError):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step

    async def out_of_memory(self, box: Box) -> bool:
        return self.oom

    async def evidence(self, box: Box) -> Evidence:
        return Evidence(
            "scripted", "", box.profile.image, "", box.id, (Control("network", "none"),)
        )

    async def destroy(self, box: Box) -> None:
        self.boxes.discard(box)

    async def reap(self) -> int:
        return 0

    async def close(self) -> None:
        self.boxes.clear()


def printed(*lines: str) -> list[Step]:
    return [Output("stdout", f"{line}\n".encode()) for line in lines]
