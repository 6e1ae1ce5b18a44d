"""How much this process and its children may use: the machine, or its control groups' part."""

import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from skillbox_executor.sandbox.cgroups import Hierarchy, hierarchies


@dataclass(frozen=True)
class Capacity:
    """What there is for executions.

    Attributes:
        cpus: Cores.
        memory: Bytes.
        files: File descriptors of this process.
        pids: Processes and threads; `None` for any number.
    """

    cpus: float
    memory: int
    files: int
    pids: int | None


def capacity(proc: Path = Path("/proc")) -> Capacity:
    """Returns the smallest of what the machine has and its control groups allow."""
    try:
        groups = hierarchies(proc)
    except OSError:
        groups = []  # a system without them
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    pids = min(_limits(groups, "pids", _pids), default=None)
    return Capacity(
        cpus=min([len(os.sched_getaffinity(0)), *_limits(groups, "cpu", _cpus)]),
        memory=int(min([psutil.virtual_memory().total, *_limits(groups, "memory", _memory)])),
        files=2**31 if files == resource.RLIM_INFINITY else files,
        pids=None if pids is None else int(pids),
    )


def _limits(
    groups: list[Hierarchy], controller: str, read: Callable[[Path, int], float]
) -> Iterator[float]:
    """Yields every limit that holds for this process: that of its group and of those above."""
    for hierarchy in groups:
        if controller in hierarchy.controllers:
            for folder in hierarchy.nearest_first():
                try:
                    yield read(folder, hierarchy.version)
                except (OSError, ValueError):
                    continue  # there is no limit here, or the word `max`


def _cpus(folder: Path, version: int) -> float:
    if version == 2:
        quota, period = (folder / "cpu.max").read_text().split()
    else:
        quota = (folder / "cpu.cfs_quota_us").read_text()
        period = (folder / "cpu.cfs_period_us").read_text()
    if int(quota) < 0:
        raise ValueError("no limit")
    return int(quota) / int(period)


def _memory(folder: Path, version: int) -> float:
    return int((folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).read_text())


def _pids(folder: Path, _: int) -> float:
    return int((folder / "pids.max").read_text())
