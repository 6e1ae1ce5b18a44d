"""What a sandbox driver does, whatever engine it drives.

A *box* is a started sandbox whose runner waits for a payload. It is used for one execution
and destroyed. Everything that comes out of a box is hostile input.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from skillbox_executor.sandbox.frames import Frame


class Language(StrEnum):
    PYTHON = "python"
    NODE = "node"
    BASH = "bash"


class Role(StrEnum):
    """What a box is for. Only the first is ever given anything of a skill's to run."""

    RUN = "run"
    BUILD = "build"
    """Installs packages: has a network, and a program of ours."""
    FILL = "fill"
    """Writes a dependency set, where the engine keeps it: the only box that may."""


DEPENDENCIES = "/opt/skillbox/deps"
"""Where a box finds its dependency set."""

PACKAGES = f"{DEPENDENCIES}/packages"
"""Appears in a dependency set when all of it is there."""


WEIGHT = 1024
"""Of a box, unless somebody has too many."""


@dataclass(frozen=True)
class Limits:
    """What a box may use.

    Attributes:
        memory_bytes: Memory, swap and tmpfs pages together.
        cpus: Cores, as a quota of CPU time.
        pids: Processes and threads.
        sandbox_bytes: Size of the file system at /sandbox.
        weight: What counts against other boxes where there are not cores enough.
    """

    memory_bytes: int
    cpus: float
    pids: int = 128
    sandbox_bytes: int = 256 * 1024 * 1024
    weight: int = WEIGHT


@dataclass(frozen=True)
class Profile:
    """Everything that makes two boxes interchangeable before a payload is in one.

    Attributes:
        image: As the operator's allowlist names it.
        runtime: OCI runtime; drivers without one ignore it.
        dependencies: SHA-256 of the dependency set at `DEPENDENCIES`; empty for none.
    """

    image: str
    language: Language
    limits: Limits
    runtime: str = "runc"
    role: Role = Role.RUN
    dependencies: str = ""


@dataclass(frozen=True)
class Payload:
    """What a runner is given.

    Attributes:
        argv: The script relative to /sandbox, and its arguments.
        env: Complete environment of the skill beside what the image sets.
        tar: Content of /sandbox as pieces of one tar archive, a multiple of 10,240 bytes.
        max_files: Most regular files that the runner sends back.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    tar: Sequence[bytes]
    max_files: int = 1000


@dataclass(frozen=True)
class Control:
    """One protection as it was really applied."""

    name: str
    value: str
    applied: bool = True


@dataclass(frozen=True)
class Evidence:
    """What isolated a run, read back from the engine or the kernel."""

    driver: str
    runtime: str
    image: str
    image_digest: str
    box_id: str
    controls: Sequence[Control] = field(default_factory=tuple)


class Box(Protocol):
    """A started sandbox with a waiting runner. Its life belongs to its driver."""

    @property
    def id(self) -> str: ...

    @property
    def profile(self) -> Profile: ...


class SandboxError(Exception):
    """Base of what a driver can fail with. The text is for callers."""


class ImageMissing(SandboxError):
    """The engine does not have the image; the text says how to get it."""


class EngineUnavailable(SandboxError):
    """The engine does not answer, or refused to make the box."""


class EngineAway(EngineUnavailable):
    """The engine cannot be reached. It may answer later, so a box may be asked for again."""


class BoxLost(SandboxError):
    """The output ended without an end frame: the box was killed or its engine died."""


class RunnerFault(SandboxError):
    """The runner broke its protocol, or failed by itself."""


class Driver(Protocol):
    """Makes, feeds and destroys boxes. Used by one event loop."""

    name: str

    async def check(self) -> None:
        """Returns when boxes can be made.

        Raises:
            SandboxError: They cannot; the text says why.
        """
        ...

    async def prepare(self, profile: Profile) -> Box:
        """Starts a box. When it fails or is cancelled, nothing is left.

        Raises:
            ImageMissing: See there.
            EngineAway: See there.
            EngineUnavailable: See there.
        """
        ...

    async def image_digest(self, image: str) -> str:
        """Returns what `Evidence.image_digest` of a new box of this image would be.

        Raises:
            ImageMissing: See there.
            EngineUnavailable: The engine does not answer.
        """
        ...

    def alive(self, box: Box) -> bool:
        """Tells whether a prepared box still waits, as far as this process knows."""
        ...

    def load(self, box: Box, payload: Payload) -> None:
        """Begins to feed a payload, whose skill does not start before `run`."""
        ...

    def run(self, box: Box, payload: Payload) -> AsyncIterator[Frame]:
        """Feeds the payload and yields frames as they come. The end frame is the last.

        There is no time limit here: the caller destroys the box, which ends the iteration.

        Raises:
            BoxLost: See there.
            RunnerFault: See there.
        """
        ...

    async def out_of_memory(self, box: Box) -> bool:
        """Tells whether the kernel killed a process of the box at its memory limit.

        Asked after `run` has ended and before `destroy`. Never guessed from an exit code.
        """
        ...

    async def evidence(self, box: Box) -> Evidence:
        """Reads back how the box is isolated."""
        ...

    async def destroy(self, box: Box) -> None:
        """Kills and removes a box, whatever its state. Doing it twice does no harm."""
        ...

    async def reap(self, owner: str = "") -> int:
        """Destroys boxes that a process which is gone left behind.

        Args:
            owner: The id that it had; empty for the driver's own, which an earlier process had.

        Returns:
            How many there were.

        Raises:
            EngineUnavailable: The engine does not answer, or keeps that owner's boxes from us.
        """
        ...

    async def close(self) -> None:
        """Destroys every box of this driver and closes its connections."""
        ...
