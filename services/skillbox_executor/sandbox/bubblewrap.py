"""The driver for bubblewrap: boxes from the host's own programs, without an engine or images."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

import psutil

from skillbox_executor.sandbox import seccomp
from skillbox_executor.sandbox.bubblewrap_command import (
    LAUNCHER_PATH,
    check_interpreter,
    launch,
    needed,
)
from skillbox_executor.sandbox.bubblewrap_evidence import missing_controls, read_controls
from skillbox_executor.sandbox.bubblewrap_launcher import Launcher
from skillbox_executor.sandbox.bubblewrap_process import BoxProcess
from skillbox_executor.sandbox.cgroups import Cgroups, Group
from skillbox_executor.sandbox.controls import refuse_missing
from skillbox_executor.sandbox.frames import Frame
from skillbox_executor.sandbox.interface import (
    Box,
    BoxLost,
    Control,
    EngineUnavailable,
    Evidence,
    Language,
    Limits,
    Payload,
    Profile,
    Role,
    RunnerFault,
)
from skillbox_executor.sandbox.stream import Conversation

_MARK = "SKILLBOX_BOX"
"""In the environment of a box's monitor: `OWNER/BOX`."""

_KILL_SECONDS = 5.0
_CHECK = Profile("", Language.PYTHON, Limits(memory_bytes=64 * 1024 * 1024, cpus=1))


@dataclass(eq=False)
class BubblewrapBox:
    """A bubblewrap with a waiting runner."""

    id: str
    profile: Profile
    process: BoxProcess
    group: Group = field(default_factory=Group)
    removal: asyncio.Task[None] | None = None
    controls: Sequence[Control] = ()

    def __post_init__(self) -> None:
        self.conversation = Conversation(self.process)


class BubblewrapDriver:
    """Makes boxes with bubblewrap. `Profile.image` is recorded, but means the host's system.

    Args:
        owner: Marks this executor's boxes, so that `reap` finds those that an earlier process
            left behind, and no others.
        dependency_dir: Holds the dependency sets, each in a folder named by its digest.
        allow_missing: Names of controls that a box may lack.
    """

    name = "bubblewrap"

    def __init__(
        self, owner: str, dependency_dir: Path = Path(), *, allow_missing: Sequence[str] = ()
    ) -> None:
        self._owner = quote(owner, safe="")
        self._dependency_dir = dependency_dir.resolve()
        self._allow_missing = allow_missing
        self._launcher = Launcher(needed(self._dependency_dir))
        self._cgroups = Cgroups(self._owner)
        self._boxes: dict[str, BubblewrapBox] = {}

    async def check(self) -> None:
        await self.destroy(await self.prepare(_CHECK))

    async def prepare(self, profile: Profile) -> BubblewrapBox:
        interpreter = check_interpreter(profile.language)
        filters = seccomp.filters()
        box_id = secrets.token_hex(16)
        box = self._boxes[box_id] = BubblewrapBox(box_id, profile, BoxProcess(self._launcher))
        try:
            await self._start(box, interpreter, filters)
        except BaseException:
            await self.destroy(box)
            raise
        return box

    async def image_digest(self, image: str) -> str:
        return ""  # boxes are made of the host's own system

    def alive(self, box: Box) -> bool:
        return box.id in self._boxes and self._mine(box).process.alive()

    def load(self, box: Box, payload: Payload) -> None:
        self._mine(box).conversation.load(box.profile.language, payload)

    async def run(self, box: Box, payload: Payload) -> AsyncIterator[Frame]:
        mine = self._mine(box)
        try:
            async for frame in mine.conversation.run(box.profile.language, payload):
                yield frame
        except BoxLost:
            raise BoxLost(self._why_lost(mine)) from None

    async def out_of_memory(self, box: Box) -> bool:
        return self._mine(box).group.oom_kills() > 0

    async def evidence(self, box: Box) -> Evidence:
        found = self._mine(box).controls
        return Evidence(self.name, "bwrap", box.profile.image, "", box.id, found)

    async def destroy(self, box: Box) -> None:
        mine = self._mine(box)
        if mine.removal is None or (mine.removal.done() and mine.id in self._boxes):
            mine.removal = asyncio.create_task(self._destroy(mine))
        # A caller that gives up does not stop it; `close` waits for it.
        await asyncio.shield(mine.removal)

    async def reap(self, owner: str = "") -> int:
        mark = quote(owner, safe="") or self._owner
        killed = await asyncio.to_thread(self._kill_strangers, mark)
        return len(killed | await self._remove_groups(Cgroups(mark)))

    async def close(self) -> None:
        destroyed = [self.destroy(box) for box in list(self._boxes.values())]
        results = await asyncio.gather(*destroyed, return_exceptions=True)
        await asyncio.to_thread(self._launcher.close)
        await asyncio.to_thread(self._cgroups.close)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _start(self, box: BubblewrapBox, interpreter: Path, filters: Sequence[bytes]) -> None:
        profile = box.profile
        plan = partial(
            launch,
            profile.language,
            interpreter,
            limits=profile.limits,
            environment={"PATH": LAUNCHER_PATH, _MARK: f"{self._owner}/{box.id}"},
            network=profile.role is Role.BUILD,
            dependencies=self._dependencies(profile),
            filters=filters,
        )
        await box.process.start(plan, partial(self._limit, box))
        try:
            await box.conversation.greeting()
        except (BoxLost, RunnerFault) as error:
            raise EngineUnavailable(f"bubblewrap could not start a box: {error}") from error
        try:
            box.controls = read_controls(box.process.pid, box.group, profile, len(filters))
        except OSError as error:
            raise EngineUnavailable("the isolation of the box cannot be read back") from error
        if not box.process.alive():
            raise EngineUnavailable("the box ended while its isolation was read back")
        missing = missing_controls(box.controls)
        refuse_missing("the box is not isolated", missing, self._allow_missing)

    def _dependencies(self, profile: Profile) -> Path | None:
        if not profile.dependencies:
            return None
        return self._dependency_dir / profile.dependencies

    def _limit(self, box: BubblewrapBox, pid: int) -> None:
        box.group = self._cgroups.group(box.id)
        box.group.limit(box.profile.limits)
        box.group.join(pid)

    def _mine(self, box: Box) -> BubblewrapBox:
        assert isinstance(box, BubblewrapBox)
        return box

    def _why_lost(self, box: BubblewrapBox) -> str:
        if box.removal is not None:
            return "the box was destroyed"
        if box.group.oom_kills():
            return "the box ran out of memory"
        return "the box ended without a result"

    async def _destroy(self, box: BubblewrapBox) -> None:
        box.conversation.close()
        await box.process.end()
        await box.group.remove()
        del self._boxes[box.id]

    def _kill_strangers(self, mark: str) -> set[str]:
        """Kills the monitors of boxes that are not this process's; their boxes die with them."""
        found: dict[str, psutil.Process] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                owner, _, box_id = process.environ().get(_MARK, "").partition("/")
                if owner == mark and box_id not in self._boxes:
                    process.kill()
                    found[box_id] = process
        psutil.wait_procs(found.values(), timeout=_KILL_SECONDS)
        return set(found)

    async def _remove_groups(self, cgroups: Cgroups) -> set[str]:
        """Removes control groups that are not this process's, and what still is in them."""
        groups = await asyncio.to_thread(cgroups.left_over)
        strangers = {box_id: groups[box_id] for box_id in groups.keys() - self._boxes.keys()}
        for group in strangers.values():
            await group.remove(kill=True)
        return set(strangers)
