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
    EngineAway,
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
    digest: str = ""


@dataclass
class ScriptedDriver:
    """Plays `script` in every box.

    Attributes:
        prepare_s: Seconds until a box is there.
        digests: Of the images; empty for others.
        prepares: How often a box was asked for.
        payloads: What was fed so far.
        boxes: Boxes that are not destroyed.
        reaped: Owners whose boxes were reaped; empty for this driver's own.
    """

    name: str = "scripted"
    script: Sequence[Step] = (End(exit_code=0),)
    prepare_error: SandboxError | None = None
    prepare_s: float = 0.0
    oom: bool = False
    payloads: list[Payload] = field(default_factory=list)
    boxes: set[Box] = field(default_factory=set)
    on_run: Callable[[], None] = lambda: None
    digests: dict[str, str] = field(default_factory=dict)
    prepares: int = 0
    reaped: list[str] = field(default_factory=list)

    async def check(self) -> None:
        if isinstance(self.prepare_error, EngineAway):
            raise self.prepare_error

    async def prepare(self, profile: Profile) -> Box:
        self.prepares += 1
        box_id = f"box-{self.prepares}"
        if self.prepare_error:
            raise self.prepare_error
        await asyncio.sleep(self.prepare_s)
        box = ScriptedBox(box_id, profile, self.digests.get(profile.image, ""))
        self.boxes.add(box)
        return box

    async def image_digest(self, image: str) -> str:
        return self.digests.get(image, "")

    def alive(self, box: Box) -> bool:
        return box in self.boxes

    def load(self, box: Box, payload: Payload) -> None:
        """Feeds nothing yet: `run` does."""

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
        assert isinstance(box, ScriptedBox)
        return Evidence(
            "scripted",
            "",
            box.profile.image,
            box.digest,
            box.id,
            (Control("network", "none"),),
        )

    async def destroy(self, box: Box) -> None:
        self.boxes.discard(box)

    async def reap(self, owner: str = "") -> int:
        self.reaped.append(owner)
        return 0

    async def close(self) -> None:
        self.boxes.clear()


def printed(*lines: str) -> list[Step]:
    return [Output("stdout", f"{line}\n".encode()) for line in lines]
