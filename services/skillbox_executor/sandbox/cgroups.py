"""Control groups, for drivers whose engine does not make them: versions 1, 2 and both at once.

Each box has a group `skillbox-<owner>/<box>` in every hierarchy with a controller for one of its
limits, below the nearest group, of this process or its ancestors, where that may be made.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from skillbox_executor.sandbox.interface import WEIGHT, EngineUnavailable, Limits

CONTROLLERS = frozenset({"cpu", "memory", "pids"})

_PERIOD = 100_000
_MIN_QUOTA = 1000
_REMOVAL_ATTEMPTS = 250
_REMOVAL_PAUSE = 0.02


@dataclass(frozen=True)
class Hierarchy:
    """One mounted tree of groups.

    Attributes:
        version: 1 or 2.
        controllers: Those of `CONTROLLERS` that it has.
        top: Where it is mounted.
        own: The group of this process in it.
    """

    version: int
    controllers: frozenset[str]
    top: Path
    own: Path

    def nearest_first(self) -> Iterator[Path]:
        """Yields the group of this process and its ancestors."""
        yield self.own
        for folder in self.own.parents:
            if folder.is_relative_to(self.top):
                yield folder


@dataclass(frozen=True)
class Part:
    """The folder of a group in one hierarchy, and what can be limited there."""

    version: int
    controllers: frozenset[str]
    folder: Path

    def settings(self, limits: Limits) -> Iterator[tuple[str, str]]:
        """Yields file names and what is to be written there."""
        quota = max(_MIN_QUOTA, round(limits.cpus * _PERIOD))
        memory = str(limits.memory_bytes)
        if "cpu" in self.controllers:
            if self.version == 1:
                yield "cpu.shares", str(limits.weight)
                yield "cpu.cfs_period_us", str(_PERIOD)
                yield "cpu.cfs_quota_us", str(quota)
            else:
                # Of 100 by default, where version 1 has 1024.
                yield "cpu.weight", str(max(1, limits.weight * 100 // WEIGHT))
                yield "cpu.max", f"{quota} {_PERIOD}"
        if "memory" in self.controllers:
            # The files for swap are missing where the kernel does not count it.
            if self.version == 1:
                yield "memory.limit_in_bytes", memory
                yield "memory.memsw.limit_in_bytes?", memory
                yield "memory.swappiness", "0"
            else:
                yield "memory.max", memory
                yield "memory.swap.max?", "0"
        if "pids" in self.controllers:
            yield "pids.max", str(limits.pids)


@dataclass(frozen=True)
class Group:
    """The control group of one box. Without parts it limits nothing."""

    parts: tuple[Part, ...] = ()

    def limit(self, limits: Limits) -> None:
        """Makes the group and sets its limits.

        Raises:
            OSError: The kernel refused; the group may exist in part.
        """
        for part in self.parts:
            part.folder.mkdir()
            for name, value in part.settings(limits):
                file = part.folder / name.removesuffix("?")
                if file.exists() or not name.endswith("?"):
                    file.write_text(value)

    def join(self, pid: int) -> None:
        """Moves a process, and with it all its future children, into the group."""
        for part in self.parts:
            (part.folder / "cgroup.procs").write_text(str(pid))

    def members(self) -> set[int]:
        """Returns the processes in the group."""
        found: set[int] = set()
        for part in self.parts:
            with suppress(OSError):
                found.update(map(int, (part.folder / "cgroup.procs").read_text().split()))
        return found

    def memory(self) -> int | None:
        """Reads back the limit in bytes; None without one."""
        text = self._read("memory", "memory.limit_in_bytes", "memory.max")
        return int(text) if text and text.isdigit() else None

    def pids(self) -> int | None:
        """Reads back the limit; None without one."""
        text = self._read("pids", "pids.max", "pids.max")
        return int(text) if text and text.isdigit() else None

    def cpus(self) -> float | None:
        """Reads back the limit in cores; None without one."""
        text = self._read("cpu", "cpu.cfs_quota_us", "cpu.max")
        quota = text.split()[0] if text else ""
        return int(quota) / _PERIOD if quota.isdigit() else None

    def oom_kills(self) -> int:
        """Returns how many processes the kernel killed at the memory limit."""
        text = self._read("memory", "memory.oom_control", "memory.events") or ""
        counts = dict(line.split() for line in text.splitlines())
        return int(counts.get("oom_kill", 0))

    async def remove(self, *, kill: bool = False) -> None:
        """Removes the group as soon as its processes are dead.

        Args:
            kill: Kills them. Without it they are dying already.

        Raises:
            EngineUnavailable: One lives on.
        """
        for _ in range(_REMOVAL_ATTEMPTS):
            for pid in self.members() if kill else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if all(_removed(part.folder) for part in self.parts):
                return
            await asyncio.sleep(_REMOVAL_PAUSE)
        raise EngineUnavailable("the control group of a box cannot be removed")

    def _read(self, controller: str, version_1: str, version_2: str) -> str | None:
        for part in self.parts:
            if controller in part.controllers:
                file = part.folder / (version_1 if part.version == 1 else version_2)
                return file.read_text().strip()
        return None


class Cgroups:
    """The control groups of one owner's boxes."""

    def __init__(self, owner: str, proc: Path = Path("/proc")) -> None:
        self._name = f"skillbox-{owner}"
        self._proc = proc
        self._bases: list[Part] = []

    def group(self, box_id: str) -> Group:
        """Plans the group of a box, with parts wherever this process may make one."""
        if not self._places_known():
            bases = [_nearest_base(each, self._name) for each in hierarchies(self._proc)]
            self._bases = [base for base in bases if base.controllers]
        return Group(tuple(replace(base, folder=base.folder / box_id) for base in self._bases))

    def _places_known(self) -> bool:
        """Tells whether there still is a place for every limit: to look takes long."""
        found = frozenset().union(*(base.controllers for base in self._bases))
        return found == CONTROLLERS and all(base.folder.is_dir() for base in self._bases)

    def left_over(self) -> dict[str, Group]:
        """Finds every group of this owner by its box, wherever an earlier process made it."""
        parts: dict[str, list[Part]] = {}
        for hierarchy in hierarchies(self._proc):
            # Unlike glob, walk does not mind that groups of others vanish meanwhile.
            for folder, names, _ in os.walk(hierarchy.top):
                for box_id in names if Path(folder).name == self._name else ():
                    part = Part(hierarchy.version, hierarchy.controllers, Path(folder, box_id))
                    parts.setdefault(box_id, []).append(part)
        return {box_id: Group(tuple(found)) for box_id, found in parts.items()}

    def close(self) -> None:
        """Removes what held the groups, where none is left."""
        for hierarchy in hierarchies(self._proc):
            for parent in hierarchy.nearest_first():
                with suppress(OSError):
                    (parent / self._name).rmdir()


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True


def _nearest_base(hierarchy: Hierarchy, name: str) -> Part:
    """Finds the place where the most controllers work, the nearest if several are as good."""
    tried: list[Part] = []
    for parent in hierarchy.nearest_first():
        tried.append(_base(hierarchy, parent / name))
        if tried[-1].controllers == hierarchy.controllers:
            break
    best = max(tried, key=lambda base: len(base.controllers))
    for base in tried:
        if base is not best or not base.controllers:
            with suppress(OSError):
                base.folder.rmdir()
    return best


def _base(hierarchy: Hierarchy, folder: Path) -> Part:
    """Makes the folder that holds the groups, and finds which controllers work in it."""
    try:
        folder.mkdir(exist_ok=True)
        if hierarchy.version == 1:
            return Part(1, hierarchy.controllers, folder)
        for group in (folder.parent, folder):
            for name in hierarchy.controllers:
                # Version 2 refuses this to a group with processes of its own.
                with suppress(OSError):
                    (group / "cgroup.subtree_control").write_text(f"+{name}")
        enabled = (folder / "cgroup.subtree_control").read_text().split()
        return Part(2, hierarchy.controllers & set(enabled), folder)
    except OSError:
        return Part(hierarchy.version, frozenset(), folder)


def hierarchies(proc: Path = Path("/proc")) -> list[Hierarchy]:
    """Reads which hierarchies are mounted, and where this process is in them."""
    own_paths: dict[str, Path] = {}
    for line in (proc / "self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        own_paths |= dict.fromkeys(names.split(","), Path(path))  # version 2 has the name ""
    found = []
    for line in (proc / "self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, top = (Path(text) for text in before.split()[3:5])
        if kind == "cgroup":
            controllers = CONTROLLERS.intersection(options.split(","))
        elif kind == "cgroup2":
            controllers = CONTROLLERS.intersection((top / "cgroup.controllers").read_text().split())
        else:
            continue
        if controllers:
            own = own_paths[next(iter(controllers)) if kind == "cgroup" else ""]
            # In a container the mount may show only a part of the tree.
            here = top / own.relative_to(root) if own.is_relative_to(root) else top
            found.append(Hierarchy(1 if kind == "cgroup" else 2, controllers, top, here))
    return found
