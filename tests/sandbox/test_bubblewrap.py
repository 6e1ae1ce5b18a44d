"""The bubblewrap driver: limits, evidence, ends, and what is left afterwards: nothing."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from skillbox_executor.sandbox import bubblewrap, bubblewrap_command, bubblewrap_process, cgroups
from skillbox_executor.sandbox.bubblewrap import BubblewrapBox, BubblewrapDriver
from skillbox_executor.sandbox.frames import Frame
from skillbox_executor.sandbox.interface import (
    BoxLost,
    Control,
    EngineUnavailable,
    Evidence,
    ImageMissing,
    Language,
    Profile,
)
from tests.sandbox.running import LIMITS, MIB, box_of, finish, payload, run_python

pytestmark = pytest.mark.bubblewrap

PROFILE = Profile("python:3.12-slim", Language.PYTHON, LIMITS)
FOREVER = payload("import time\nprint('up', flush=True)\ntime.sleep(600)")


@pytest.fixture
def owner() -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
async def driver(owner: str) -> AsyncIterator[BubblewrapDriver]:
    driver = BubblewrapDriver(owner)
    yield driver
    await driver.close()
    assert left_of(owner) == []


def left_of(owner: str) -> list[str]:
    """Names every process and control group of an owner's boxes."""
    found = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/skillbox-{owner}")]
    for process in psutil.process_iter():
        try:
            if process.environ().get("SKILLBOX_BOX", "").startswith(f"{owner}/"):
                found.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return found


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


async def exhaust(frames: AsyncIterator[Frame]) -> None:
    async for _ in frames:
        pass


def controls(evidence: Evidence) -> dict[str, str]:
    assert all(control.applied for control in evidence.controls)
    return {control.name: control.value for control in evidence.controls}


async def test_check_starts_a_box_and_leaves_nothing(driver: BubblewrapDriver, owner: str) -> None:
    await driver.check()
    await driver.close()
    assert left_of(owner) == []


async def test_the_evidence_is_what_the_kernel_says(driver: BubblewrapDriver) -> None:
    limits = replace(LIMITS, cpus=0.25, pids=50)
    async with box_of(driver, limits) as box:
        evidence = await driver.evidence(box)
    assert (evidence.driver, evidence.image, evidence.image_digest) == ("bubblewrap", "test", "")
    assert evidence.box_id == box.id
    assert controls(evidence) == {
        "network": "none",
        "namespaces": "cgroup,ipc,mnt,net,pid,user,uts",
        "capabilities": "none",
        "no_new_privileges": "yes",
        "seccomp": "2 filters",
        "user": "65534:65534",
        "read_only_root": "yes",
        "writable": f"/dev/shm (size={16 * MIB}); /root (size={MIB}); "
        f"/sandbox (size={16 * MIB}); /tmp (size={64 * MIB})",
        "noexec": "yes",
        "memory": f"{128 * MIB} bytes",
        "pids": "50",
        "cpus": "0.25",
    }


@pytest.mark.parametrize(
    ("language", "name", "script"),
    [
        (Language.PYTHON, "main.py", "import sys; print('hello', sys.argv[1])"),
        (Language.NODE, "main.js", "console.log('hello', process.argv[2])"),
        (Language.BASH, "main.sh", 'echo "hello $1"'),
    ],
)
async def test_every_language_runs(
    driver: BubblewrapDriver, language: Language, name: str, script: str
) -> None:
    async with box_of(driver, language=language) as box:
        ran = await finish(driver, box, payload(script, name, ["you"]))
    assert ran.printed() == "hello you\n"
    assert not ran.out_of_memory


async def test_a_memory_bomb_is_told_from_a_kill(driver: BubblewrapDriver) -> None:
    small = replace(LIMITS, memory_bytes=48 * MIB)
    bomb = await run_python(driver, "x = bytearray(200 << 20)", limits=small)
    assert (bomb.end.signal, bomb.out_of_memory) == (signal.SIGKILL, True)
    killed = await run_python(driver, "import os; os.kill(os.getpid(), 9)", limits=small)
    assert (killed.end.signal, killed.out_of_memory) == (signal.SIGKILL, False)


async def test_files_count_as_memory(driver: BubblewrapDriver) -> None:
    limits = replace(LIMITS, memory_bytes=48 * MIB)
    ran = await run_python(driver, "open('/tmp/x', 'wb').write(bytes(60 << 20))", limits=limits)
    assert ran.out_of_memory


async def test_every_writable_place_has_its_size(driver: BubblewrapDriver) -> None:
    script = """
import os
for path in ("/sandbox/x", "/tmp/x", "/root/x", "/dev/shm/x"):
    written = 0
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                written += file.write(bytes(65536))
        except OSError as error:
            print(path, written, error.strerror)
    os.unlink(path)
"""
    printed = (await run_python(driver, script)).printed()
    sizes = {"/sandbox/x": 16 * MIB, "/tmp/x": 64 * MIB, "/root/x": MIB, "/dev/shm/x": 16 * MIB}
    for line, (path, size) in zip(printed.splitlines(), sizes.items(), strict=True):
        assert line.startswith(path)
        assert line.endswith("No space left on device")
        assert size - 128 * 1024 <= int(line.split()[1]) <= size


FORK_BOMB = """
import os, time
made = 0
try:
    while made < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made)
"""


async def test_a_fork_bomb_stops_at_its_limit(driver: BubblewrapDriver) -> None:
    ran = await run_python(driver, FORK_BOMB, limits=replace(LIMITS, pids=20))
    assert ran.printed() == "18\n"  # beside the runner and the skill


async def test_cpu_time_is_limited(driver: BubblewrapDriver) -> None:
    script = """
import time
end = time.monotonic() + 1
while time.monotonic() < end:
    pass
print(time.process_time())
"""
    ran = await run_python(driver, script, limits=replace(LIMITS, cpus=0.2))
    assert float(ran.printed()) < 0.5


async def test_without_control_groups_the_evidence_says_so(
    driver: BubblewrapDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda proc: [])
    async with box_of(driver, replace(LIMITS, pids=20)) as box:
        evidence = await driver.evidence(box)
        ran = await finish(driver, box, payload(FORK_BOMB))
    missing = {control.name: control.value for control in evidence.controls if not control.applied}
    assert missing == {
        "memory": "no control group can be made here",
        "pids": "no control group can be made here; RLIMIT_NPROC 20",
        "cpus": "no control group can be made here",
    }
    assert int(ran.printed()) <= 18  # RLIMIT_NPROC holds
    assert not ran.out_of_memory


async def test_destroying_a_running_box_ends_the_run(driver: BubblewrapDriver) -> None:
    async with box_of(driver) as box:
        assert isinstance(box, BubblewrapBox)
        frames = driver.run(box, FOREVER)
        await anext(frames)
        inside = processes_of(box)
        assert len(inside) == 2
        ending = asyncio.create_task(driver.destroy(box))
        with pytest.raises(BoxLost, match="the box was destroyed"):
            await exhaust(frames)
        await ending
        assert not any(psutil.pid_exists(pid) for pid in inside)
        await driver.destroy(box)


async def test_a_box_killed_from_outside_is_lost(driver: BubblewrapDriver) -> None:
    async with box_of(driver) as box:
        assert isinstance(box, BubblewrapBox)
        frames = driver.run(box, FOREVER)
        await anext(frames)
        os.kill(box.process.pid, signal.SIGKILL)
        with pytest.raises(BoxLost, match="ended without a result"):
            await exhaust(frames)


async def test_close_destroys_every_box(driver: BubblewrapDriver, owner: str) -> None:
    boxes = await asyncio.gather(*(driver.prepare(PROFILE) for _ in range(3)))
    inside = [pid for box in boxes for pid in processes_of(box)]
    await driver.close()
    assert not any(psutil.pid_exists(pid) for pid in inside)
    assert left_of(owner) == []


@pytest.mark.parametrize("milliseconds", [0, 1, 3, 6, 10, 15, 20, 25, 30])
async def test_a_cancelled_prepare_leaves_nothing(
    driver: BubblewrapDriver, owner: str, milliseconds: int
) -> None:
    preparing = asyncio.create_task(driver.prepare(PROFILE))
    await asyncio.sleep(milliseconds / 1000)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    assert driver._boxes == {}
    await driver.close()
    assert left_of(owner) == []


async def test_a_cancelled_destroy_goes_on(driver: BubblewrapDriver, owner: str) -> None:
    box = await driver.prepare(PROFILE)
    destroying = asyncio.create_task(driver.destroy(box))
    await asyncio.sleep(0)
    destroying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await destroying
    await driver.close()
    assert left_of(owner) == []


ABANDON = """
import asyncio, sys
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from tests.sandbox.test_bubblewrap import PROFILE

async def main():
    box = await BubblewrapDriver(sys.argv[1]).prepare(PROFILE)
    print(box.process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def abandon_box(owner: str) -> int:
    """Lets another executor make a box and be killed. Returns the number of its PID 1."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", ABANDON, owner),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    assert psutil.pid_exists(pid)
    process.kill()
    await process.communicate()
    return pid


async def test_boxes_die_with_their_executor_and_are_reaped(owner: str) -> None:
    pid = await abandon_box(owner)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "the box outlives its executor"
        await asyncio.sleep(0.01)
    assert len(left_of(owner)) == len(cgroups.hierarchies())

    stranger = BubblewrapDriver(f"{owner}-other")
    assert await stranger.reap() == 0
    await stranger.close()

    driver = BubblewrapDriver(owner)
    async with box_of(driver) as box:
        assert await driver.reap() == 1
        assert (await finish(driver, box, payload("print('unharmed')"))).printed() == "unharmed\n"
    assert await driver.reap() == 0
    await driver.close()
    assert left_of(owner) == []


async def test_reap_kills_what_still_lives(owner: str) -> None:
    # As a box whose parent died before bubblewrap asked to die with it.
    process = await asyncio.create_subprocess_exec(
        "sleep", "600", env={**os.environ, "SKILLBOX_BOX": f"{owner}/1"}, start_new_session=True
    )
    driver = BubblewrapDriver(owner)
    group = driver._cgroups.group("2")
    group.limit(LIMITS)
    other = await asyncio.create_subprocess_exec("sleep", "600")
    group.join(other.pid)
    assert await driver.reap() == 2
    await other.wait()
    await process.wait()
    await driver.close()
    assert left_of(owner) == []


async def test_a_missing_interpreter_is_a_missing_image(
    driver: BubblewrapDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bubblewrap_command, "BOX_PATH", str(tmp_path))
    with pytest.raises(ImageMissing, match="apt-get install nodejs"):
        await driver.prepare(replace(PROFILE, language=Language.NODE))


async def test_a_missing_bubblewrap_says_how_to_get_it(
    driver: BubblewrapDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bubblewrap_command, "LAUNCHER_PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="apt-get install bubblewrap"):
        await driver.check()


@pytest.fixture
def broken_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Not below /tmp, which the launcher covers.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        program = Path(folder, "bwrap")
        program.write_text("#!/bin/sh\necho no namespaces today >&2\nexit 1\n")
        program.chmod(0o755)
        path = f"{folder}:{bubblewrap_command.LAUNCHER_PATH}"
        monkeypatch.setattr(bubblewrap_process, "LAUNCHER_PATH", path)
        yield


@pytest.mark.usefixtures("broken_bubblewrap")
async def test_what_bubblewrap_complains_about_is_told(driver: BubblewrapDriver) -> None:
    with pytest.raises(EngineUnavailable, match=r"namespaces today.*max_user_namespaces"):
        await driver.check()


async def test_a_box_without_a_control_is_not_used(
    driver: BubblewrapDriver, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = (Control("network", "host", applied=False), Control("memory", "none", applied=False))
    monkeypatch.setattr(bubblewrap, "read_controls", lambda *_: weak)
    with pytest.raises(EngineUnavailable, match=r"not isolated: network$"):
        await driver.prepare(PROFILE)
    await driver.close()
    assert left_of(owner) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test shows it already")
async def test_an_ordinary_user_gets_the_same_isolation(owner: str) -> None:
    script = """
import asyncio, concurrent.futures.thread, dataclasses, json, os, sys
import pyseccomp
from skillbox_executor.runner import command
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from tests.sandbox.test_bubblewrap import PROFILE, run_python

command(PROFILE.language)  # what is to be read as root
os.setgroups([])
os.setresgid(1000, 1000, 1000)
os.setresuid(1000, 1000, 1000)

async def main():
    driver = BubblewrapDriver(sys.argv[1])
    await driver.reap()
    box = await driver.prepare(PROFILE)
    evidence = await driver.evidence(box)
    ran = await run_python(driver, "import os; print(os.getuid())")
    await driver.close()
    print(json.dumps([{c.name: c.value for c in evidence.controls if c.applied}, ran.printed()]))

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", script, owner),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    applied, printed = json.loads((await process.communicate())[0])
    assert printed == "65534\n"
    assert applied.pop("user") == "65534 (1000 on the host):65534 (1000 on the host)"
    assert applied.keys() >= {
        *("network", "namespaces", "capabilities", "no_new_privileges", "seccomp"),
        *("read_only_root", "writable", "noexec"),
    }
    assert left_of(owner) == []
