"""Runs attacks the way the Executor runs skills, and looks for what they leave behind."""

import secrets
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from aiodocker import Docker

from skillbox_executor.commands.run_in_sandbox import Finished, run_in_sandbox
from skillbox_executor.log_limit import LogLimiter
from skillbox_executor.plan import Plan
from skillbox_executor.pool import Start
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.interface import (
    Box,
    Driver,
    Evidence,
    Language,
    Limits,
    Payload,
    Profile,
)
from skillbox_executor.teardown import Teardown
from tests.sandbox.conftest import containers_of, traces_of
from tests.sandbox.hostile.attack import BUBBLEWRAP, LIMITS, PYTHON, Attack
from tests.sandbox.skills import payload

_LOG_LIMIT = 64 * 1024
_MAX_FILES = 100


@dataclass(frozen=True)
class Boxes:
    """Gives out a waiting box, or a new one."""

    driver: Driver
    waiting: Box | None
    teardown: Teardown

    async def acquire(self, profile: Profile, tenant_id: str) -> tuple[Box, Start]:
        if self.waiting is not None:
            return self.waiting, Start.WARM
        return await self.driver.prepare(profile), Start.COLD

    def release(self, box: Box, *, idle: bool) -> None:
        self.teardown.add(box)


@dataclass
class Witness:
    """What can be seen of a run from outside, with the Executor's own limit of logs."""

    evidence: Evidence | None = None
    limiter: LogLimiter = field(default_factory=lambda: LogLimiter(_LOG_LIMIT))
    shown: bytearray = field(default_factory=bytearray)

    async def started(self, evidence: Evidence, start: Start) -> None:
        self.evidence = evidence

    def printed(self, stream: str, data: bytes) -> None:
        self.shown += self.limiter.feed(stream, data)

    @property
    def log(self) -> str:
        rest = b"".join(data for _, data in self.limiter.rest())
        return (bytes(self.shown) + rest).decode(errors="replace")


@dataclass(frozen=True)
class Seen:
    """How one attack ended.

    Attributes:
        end: As the table writes it: the status, and the reason unless that is a success.
        files: What came back, and its content.
    """

    end: str
    error: str
    log: str
    output_json: str | None
    files: Mapping[str, bytes]


class Arena:
    """One sandbox under attack.

    Args:
        name: As the table calls it.
        docker: The engine, to look at it from outside.
    """

    def __init__(
        self, name: str, docker_host: str, docker: Docker, images: Mapping[Language, str]
    ) -> None:
        self.name = name
        self.owner = f"hostile-{secrets.token_hex(4)}"
        self._docker = docker
        self._images = images
        self._runtime = name.partition("/")[2] or "runc"
        self.driver: Driver = (
            BubblewrapDriver(self.owner)
            if name == BUBBLEWRAP
            else DockerDriver(docker_host, self.owner)
        )
        self._teardown = Teardown(self.driver)
        self._ids: list[str] = []

    def profile(self, language: Language, limits: Limits = LIMITS) -> Profile:
        return Profile(self._images[language], language, limits, self._runtime)

    async def attack(self, attack: Attack, language: Language, *args: str) -> Seen:
        """Runs an attack in a box of its own."""
        what = payload(language, attack.scripts[language], *args, max_files=_MAX_FILES)
        return await self.run(self.profile(language, attack.limits), what, attack.seconds)

    async def run(
        self, profile: Profile, what: Payload, seconds: float = 20.0, box: Box | None = None
    ) -> Seen:
        """Runs a payload through the Executor's use case, in `box` or in a new one."""
        witness = Witness()
        plan = Plan(profile, what, seconds)
        finished = await run_in_sandbox(
            self.driver, Boxes(self.driver, box, self._teardown), plan, witness
        )
        if witness.evidence is not None:
            assert witness.evidence.driver == self.driver.name
            assert witness.evidence.runtime in (self._runtime, "bwrap")
            self._ids.append(witness.evidence.box_id)
        outcome = finished.outcome
        end = " ".join(filter(None, (outcome.status.value, outcome.reason)))
        files = _unpacked(finished)
        assert sorted(files) == sorted(outcome.files)
        return Seen(end, outcome.error, witness.log, outcome.output_json, files)

    @asynccontextmanager
    async def neighbour(self) -> AsyncIterator[None]:
        """Keeps a waiting box beside what happens in the block; it must run well afterwards."""
        profile = self.profile(PYTHON)
        box = await self.driver.prepare(profile)
        try:
            yield
            seen = await self.run(profile, payload(PYTHON, _NEIGHBOUR), box=box)
            assert (seen.end, seen.output_json, seen.log) == ("success", "42", "clean\n"), seen
        finally:
            await self.driver.destroy(box)

    async def traces(self) -> list[str]:
        """Names everything that is left of the boxes so far, once their tear-downs are over."""
        await self._teardown.finished()
        found = [f"container {each}" for each in await containers_of(self._docker, self.owner)]
        found += _left_on_host(self.owner, self._ids)
        if not found:
            self._ids.clear()
        return found


def _left_on_host(owner: str, box_ids: Sequence[str]) -> list[str]:
    """Names processes, control groups, mounts and files of boxes."""
    # The folder of the owner's control groups awaits the next box.
    found = [trace for trace in traces_of(owner) if trace[0] != "/" or any(Path(trace).glob("*/"))]
    for box_id in box_ids:
        found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/docker/{box_id}")]
        found += [str(path) for path in Path("/var/lib/docker/containers").glob(box_id)]
    mounts = Path("/proc/self/mountinfo").read_text()
    found += [f"mount of {box_id}" for box_id in box_ids if box_id in mounts]
    for process in psutil.process_iter():
        try:
            groups = Path(f"/proc/{process.pid}/cgroup").read_text()
            line = " ".join(process.cmdline())
        except (OSError, psutil.Error):
            continue
        found += [f"{process} of {each}" for each in box_ids if each in groups + line]
    return found


# What one run leaves in a place that the next can reach is a breach, too.
_NEIGHBOUR = """
import os
for folder in ("/tmp", "/root", "/dev/shm"):
    for name in os.listdir(folder): print("found", folder, name)
for table in ("shm", "sem", "msg"):
    try: lines = open("/proc/sysvipc/" + table).readlines()[1:]
    except OSError: continue
    for line in lines: print("found", table, line)
print(*(p for p in os.listdir("/proc") if p.isdigit() and p not in ("1", str(os.getpid()))), end="")
open("out/output.json", "w").write("42")
print("clean")
"""


def _unpacked(finished: Finished) -> dict[str, bytes]:
    """Returns the files of a run; they must be plain ones."""
    if finished.archive is None:
        return {}
    files = {}
    with finished.archive, tarfile.open(fileobj=finished.archive, mode="r:gz") as archive:
        for member in archive:
            assert member.isreg()
            assert member.mode in (0o644, 0o755)
            assert not member.name.startswith("/")
            assert ".." not in member.name.split("/")
            content = archive.extractfile(member)
            assert content is not None
            files[member.name] = content.read()
    return files


def descriptors() -> set[str]:
    """Names what this process has open, but connections, which are kept for reuse."""
    found = set()
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = str(each.readlink())
        except OSError:
            continue
        if not target.startswith(("socket:", "/proc/")):
            found.add(f"{each.name} {target}")
    return found
