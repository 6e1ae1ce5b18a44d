"""What is left of bubblewrap boxes on the host after every kind of end: nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from skillbox_executor.sandbox import cgroups
from skillbox_executor.sandbox.bubblewrap import BubblewrapBox
from skillbox_executor.sandbox.interface import EngineUnavailable, Language, Profile
from tests.sandbox.conftest import traces_of
from tests.sandbox.skills import LIMITS, Bench, payload

pytestmark = pytest.mark.bubblewrap

PYTHON = Language.PYTHON
PROFILE = Profile("host", PYTHON, LIMITS)


def processes_of(box: BubblewrapBox) -> list[int]:
    """Returns the host's numbers of everything in the box's process namespace."""
    namespace = Path(f"/proc/{box.process.pid}/ns/pid").readlink()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns/pid").readlink() == namespace:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def boxes_of(owner: str) -> list[str]:
    """Names what is left of boxes: not the folders of their groups, which await the next box."""
    return [trace for trace in traces_of(owner) if trace[0] != "/" or any(Path(trace).glob("*/"))]


async def test_destroying_returns_when_all_processes_are_gone(bubblewrap_bench: Bench) -> None:
    script = "import os, time; os.fork() or os.setsid(); print('up'); time.sleep(600)"
    driver = bubblewrap_bench.driver
    async with bubblewrap_bench.box(PYTHON) as box:
        assert isinstance(box, BubblewrapBox)
        frames = driver.run(box, payload(PYTHON, script))
        await anext(frames)
        inside = processes_of(box)
        assert len(inside) == 3
        await driver.destroy(box)
        assert not any(psutil.pid_exists(pid) for pid in inside)


async def test_a_destroy_that_failed_can_be_repeated(
    bubblewrap_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = bubblewrap_bench.driver
    box = await driver.prepare(PROFILE)
    with monkeypatch.context() as patch:
        patch.setattr(cgroups, "_removed", lambda folder: False)
        patch.setattr(cgroups, "_REMOVAL_PAUSE", 0)
        with pytest.raises(EngineUnavailable, match="cannot be removed"):
            await driver.destroy(box)
    # Takes over the numbers of the first one's descriptors.
    async with bubblewrap_bench.box(PYTHON) as other:
        assert not driver.alive(box)
        await driver.destroy(box)
        assert driver.alive(other)
        assert (await bubblewrap_bench.run_in(other, payload(PYTHON, "print(1)"))).ok() == "1\n"


@pytest.mark.parametrize("milliseconds", [1, 3, 6, 10, 15, 20, 25, 30])
async def test_a_start_that_is_given_up_leaves_nothing_at_once(
    bubblewrap_bench: Bench, milliseconds: int
) -> None:
    preparing = asyncio.create_task(bubblewrap_bench.driver.prepare(PROFILE))
    await asyncio.sleep(milliseconds / 1000)
    if preparing.cancel():
        with pytest.raises(asyncio.CancelledError):
            await preparing
        assert boxes_of(bubblewrap_bench.owner) == []


async def run_other_executor(script: str, owner: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", script, owner),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )


ABANDON = """
import asyncio, sys
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from tests.sandbox.test_bubblewrap_processes import PROFILE

async def main():
    box = await BubblewrapDriver(sys.argv[1]).prepare(PROFILE)
    print(box.process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_boxes_die_with_their_executor_and_are_reaped(bubblewrap_bench: Bench) -> None:
    owner, driver = bubblewrap_bench.owner, bubblewrap_bench.driver
    executor = await run_other_executor(ABANDON, owner)
    assert executor.stdout is not None
    pid = int(await executor.stdout.readline())
    assert psutil.pid_exists(pid)
    executor.kill()
    await executor.communicate()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "the box outlives its executor"
        await asyncio.sleep(0.01)
    assert len(traces_of(owner)) == len(cgroups.hierarchies())
    async with bubblewrap_bench.box(PYTHON) as box:
        assert await driver.reap() == 1
        ran = await bubblewrap_bench.run_in(box, payload(PYTHON, "print('unharmed')"))
        assert ran.ok() == "unharmed\n"
    assert await driver.reap() == 0


async def stranger(mark: str = "") -> tuple[asyncio.StreamReader, int]:
    """Starts a process that is no child of ours, whose end a reaper could take from us.

    Returns:
        What tells how it ended, and its pid.
    """
    script = f"""{mark} sh -c 'echo $$; exec sleep 600'; echo $?"""
    parent = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=subprocess.PIPE)
    assert parent.stdout
    return parent.stdout, int(await parent.stdout.readline())


async def test_reap_kills_what_still_lives(bubblewrap_bench: Bench) -> None:
    owner = bubblewrap_bench.owner
    # As a box whose parent died before bubblewrap asked to die with it.
    marked, _ = await stranger(f"SKILLBOX_BOX={owner}/1")
    group = cgroups.Cgroups(owner).group("2")
    group.limit(LIMITS)
    grouped, pid = await stranger()
    group.join(pid)
    assert await bubblewrap_bench.driver.reap() == 2
    async with asyncio.timeout(20):
        ends = await asyncio.gather(marked.read(), grouped.read())
    assert {int(end) for end in ends} == {128 + signal.SIGKILL}


UNPRIVILEGED = """
import asyncio, concurrent.futures.thread, json, os, shutil, sys, pyseccomp
from skillbox_executor.runner import command
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from tests.sandbox.skills import Bench
from tests.sandbox.test_bubblewrap_processes import PYTHON, PROFILE, payload

command(PYTHON)  # what only root may read
sys.executable = shutil.which("python3", path="/usr/bin:/usr/local/bin")
os.setgroups([])
os.setresgid(1000, 1000, 1000)
os.setresuid(1000, 1000, 1000)

async def main():
    make = lambda owner: BubblewrapDriver(owner, allow_missing=("memory", "pids", "cpus"))
    bench = Bench(make, sys.argv[1], {PYTHON: "host"})
    assert await bench.driver.reap() == 0
    async with bench.box(PYTHON) as box:
        evidence = await bench.driver.evidence(box)
        ran = await bench.run_in(box, payload(PYTHON, "import os; print(os.getuid())"))
    await bench.driver.prepare(PROFILE)
    await bench.driver.close()
    print(json.dumps([{c.name: c.value for c in evidence.controls if c.applied}, ran.ok()]))

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="as an ordinary user, every other test shows it")
async def test_an_ordinary_user_gets_the_same_isolation(bubblewrap_bench: Bench) -> None:
    executor = await run_other_executor(UNPRIVILEGED, bubblewrap_bench.owner)
    applied, printed = json.loads((await executor.communicate())[0])
    assert printed == "65534\n"
    assert applied.pop("user") == "65534 (1000 on the host):65534 (1000 on the host)"
    assert applied.keys() >= {
        *("network", "namespaces", "capabilities", "no_new_privileges", "seccomp"),
        *("read_only_root", "writable", "noexec"),
    }
