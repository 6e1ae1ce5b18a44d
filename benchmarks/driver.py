"""What a box costs in processor time, phase by phase, without the services around it.

python -m benchmarks.driver --boxes 100
python -m benchmarks.driver --engine docker/runc --boxes 20

Processor time of this process, in which the driver runs, and of everything else that the box
takes: its processes and, with bubblewrap, what starts and ends them. An engine does its work in
processes of its own, so on Docker only what is spent inside of containers counts, `runc init`
included: no others should run meanwhile. Medians, so that a disturbed box does not count.

Needs root and control groups of version 1, which count processor time for each group of
processes. What else runs on the machine then changes the figures by the caches alone.
"""

import argparse
import asyncio
import io
import os
import statistics
import sys
import tarfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import raw
from benchmarks.cases import RunFailed
from benchmarks.goals import BUBBLEWRAP, DOCKER
from benchmarks.stack import PYTHON
from benchmarks.suite import DOCKER_HOST
from skillbox_executor.environment import skill_environment
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.frames import End
from skillbox_executor.sandbox.interface import Driver, Language, Payload, Profile

_CPUACCT = Path("/sys/fs/cgroup/cpuacct")
_SETTLE_S = 0.02
"""After each phase: what goes on in the background belongs to it."""
_WARM_UP = 3
_SCRIPT = "scripts/main.py"


class Meter:
    """Adds up what phases cost.

    Args:
        outside: The boxes' processes are no descendants of this one, but containers.
    """

    def __init__(self, *, outside: bool) -> None:
        self._outside = outside
        self._own_group = _CPUACCT / f"skillbox-bench-{os.getpid()}"
        self.phases: dict[str, list[tuple[float, float, float]]] = {}

    def __enter__(self) -> "Meter":
        self._own_group.mkdir()
        (self._own_group / "cgroup.procs").write_text(str(os.getpid()))
        return self

    def __exit__(self, *_: object) -> None:
        (_CPUACCT / "cgroup.procs").write_text(str(os.getpid()))
        self._own_group.rmdir()

    @asynccontextmanager
    async def phase(self, name: str) -> AsyncIterator[None]:
        """Measures what is done in the context."""
        before = self._now()
        started = time.perf_counter()
        yield
        wall = (time.perf_counter() - started) * 1000
        await asyncio.sleep(_SETTLE_S)
        own, other = (b - a for a, b in zip(before, self._now(), strict=True))
        self.phases.setdefault(name, []).append((own, other, wall))

    def _now(self) -> tuple[float, float]:
        """Returns milliseconds of this process, and of the rest."""
        own = time.process_time() * 1000
        if not self._outside:
            return own, _milliseconds(self._own_group) - own
        # That of all containers: a box's own appears with it, and vanishes with it.
        return own, _milliseconds(_CPUACCT / "docker")


def _milliseconds(group: Path) -> float:
    return int((group / "cpuacct.usage").read_text()) / 1e6


def _payload() -> Payload:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in (("input.json", b"[1, 2, 3]"), (_SCRIPT, PYTHON.encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return Payload([_SCRIPT], skill_environment("[1, 2, 3]", "", {}), [tar.getvalue()])


async def _one(driver: Driver, profile: Profile, payload: Payload, meter: Meter) -> None:
    async with meter.phase("start"):
        box = await driver.prepare(profile)
    async with meter.phase("run"):
        frames = [frame async for frame in driver.run(box, payload)]
    if frames[-1] != End(exit_code=0):
        raise RunFailed(str(frames[-1]))
    async with meter.phase("tear-down"):
        await driver.destroy(box)


async def measure(engine: str, boxes: int) -> Mapping[str, list[tuple[float, float, float]]]:
    """Returns milliseconds of each phase of each box: this process's, the rest's, by the clock."""
    outside = engine != BUBBLEWRAP
    owner = f"benchmark-{os.getpid()}"
    driver = DockerDriver(DOCKER_HOST, owner) if outside else BubblewrapDriver(owner)
    runtime = engine.partition("/")[2] or "runc"
    profile = Profile(raw.IMAGE, Language.PYTHON, raw.LIMITS, runtime)
    payload = _payload()
    with Meter(outside=outside) as meter:
        try:
            for number in range(_WARM_UP + boxes):
                if number == _WARM_UP:
                    meter.phases.clear()
                await _one(driver, profile, payload, meter)
                if not outside:
                    async with meter.phase("raw bwrap"):
                        await raw.bwrap_python()
        finally:
            await driver.close()
    return meter.phases


def _print(phases: Mapping[str, list[tuple[float, float, float]]]) -> None:
    print(f"{'ms of processor time':24}{'driver':>8}{'box':>8}{'both':>8}{'clock':>8}")
    total = 0.0
    for name, samples in phases.items():
        own, other, wall = (statistics.median(column) for column in zip(*samples, strict=True))
        if name != "raw bwrap":
            total += own + other
        print(f"{name:24}{own:8.2f}{other:8.2f}{own + other:8.2f}{wall:8.2f}")
    print(f"{'a box in all':40}{total:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Processor time of a box, without services.")
    parser.add_argument("--engine", choices=(BUBBLEWRAP, DOCKER), default=BUBBLEWRAP)
    parser.add_argument("--boxes", type=int, default=50)
    options = parser.parse_args()
    if not os.access(_CPUACCT, os.W_OK):
        sys.exit(f"no control group can be made in {_CPUACCT}")
    _print(asyncio.run(measure(options.engine, options.boxes)))


if __name__ == "__main__":
    main()
