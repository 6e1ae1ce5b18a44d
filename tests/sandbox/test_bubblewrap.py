"""The bubblewrap driver beyond what every driver does: limits, evidence, and why it refuses."""

import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from skillbox_executor.sandbox import bubblewrap, bubblewrap_command, cgroups
from skillbox_executor.sandbox.bubblewrap import BubblewrapBox, BubblewrapDriver
from skillbox_executor.sandbox.interface import (
    BoxLost,
    Control,
    EngineUnavailable,
    ImageMissing,
    Language,
)
from tests.sandbox.skills import LIMITS, MIB, Bench, payload

pytestmark = pytest.mark.bubblewrap

PYTHON = Language.PYTHON


async def test_check_passes_here(bubblewrap_bench: Bench) -> None:
    await bubblewrap_bench.driver.check()


async def test_the_evidence_is_what_the_kernel_says(bubblewrap_bench: Bench) -> None:
    async with bubblewrap_bench.box(PYTHON, replace(LIMITS, cpus=0.25, pids=50)) as box:
        evidence = await bubblewrap_bench.driver.evidence(box)
    assert (evidence.driver, evidence.image, evidence.image_digest) == ("bubblewrap", "host", "")
    assert evidence.box_id == box.id
    assert all(control.applied for control in evidence.controls)
    assert {control.name: control.value for control in evidence.controls} == {
        "network": "none",
        "namespaces": "cgroup,ipc,mnt,net,pid,user,uts",
        "capabilities": "none",
        "no_new_privileges": "yes",
        "seccomp": "2 filters",
        "user": "65534:65534",
        "read_only_root": "yes",
        "writable": f"/dev/shm (size={16 * MIB}); /root (size={MIB}); "
        f"/sandbox (size={64 * MIB}); /tmp (size={64 * MIB})",
        "noexec": "yes",
        "memory": f"{256 * MIB} bytes",
        "pids": "50",
        "cpus": "0.25",
    }


async def test_files_count_as_memory(bubblewrap_bench: Bench) -> None:
    async with bubblewrap_bench.box(PYTHON, replace(LIMITS, memory_bytes=48 * MIB)) as box:
        script = "open('/tmp/x', 'wb').write(bytes(60 << 20))"
        await bubblewrap_bench.run_in(box, payload(PYTHON, script))
        assert await bubblewrap_bench.driver.out_of_memory(box)


async def test_every_writable_place_has_its_size(bubblewrap_bench: Bench) -> None:
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
    limits = replace(LIMITS, sandbox_bytes=2 * MIB)
    printed = (await bubblewrap_bench.run(PYTHON, script, limits=limits)).ok()
    sizes = {"/sandbox/x": 2 * MIB, "/tmp/x": 64 * MIB, "/root/x": MIB, "/dev/shm/x": 16 * MIB}
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


async def test_processes_are_limited_exactly(bubblewrap_bench: Bench) -> None:
    ran = await bubblewrap_bench.run(PYTHON, FORK_BOMB, limits=replace(LIMITS, pids=20))
    assert ran.ok() == "18\n"  # beside the runner and the skill


async def test_cpu_time_is_limited(bubblewrap_bench: Bench) -> None:
    script = """
import time
end = time.monotonic() + 1
while time.monotonic() < end:
    pass
print(time.process_time())
"""
    ran = await bubblewrap_bench.run(PYTHON, script, limits=replace(LIMITS, cpus=0.2))
    assert float(ran.ok()) < 0.5


async def test_without_control_groups_there_are_no_boxes(
    bubblewrap_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda proc: [])
    with pytest.raises(EngineUnavailable, match=r"not isolated: memory,pids,cpus \(SKILLBOX_ALLOW"):
        await bubblewrap_bench.driver.check()


async def test_without_control_groups_that_are_not_required_the_evidence_says_so(
    bubblewrap_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "hierarchies", lambda proc: [])
    bench = Bench(
        lambda owner: BubblewrapDriver(owner, allow_missing=("memory", "pids", "cpus")),
        bubblewrap_bench.owner,
        bubblewrap_bench.images,
    )
    async with bench.box(PYTHON, replace(LIMITS, pids=20)) as box:
        evidence = await bench.driver.evidence(box)
        ran = await bench.run_in(box, payload(PYTHON, FORK_BOMB))
        assert not await bench.driver.out_of_memory(box)
    await bench.driver.close()
    missing = {control.name: control.value for control in evidence.controls if not control.applied}
    assert missing == {
        "memory": "no control group can be made here",
        "pids": "no control group can be made here; RLIMIT_NPROC 20",
        "cpus": "no control group can be made here",
    }
    assert int(ran.ok()) <= 18  # RLIMIT_NPROC holds


async def test_a_box_killed_from_outside_is_lost(bubblewrap_bench: Bench) -> None:
    async with bubblewrap_bench.box(PYTHON) as box:
        assert isinstance(box, BubblewrapBox)
        os.kill(box.process.pid, signal.SIGKILL)
        with pytest.raises(BoxLost, match="ended without a result"):
            await bubblewrap_bench.run_in(box, payload(PYTHON, "print()"))


async def test_a_missing_interpreter_is_a_missing_image(
    bubblewrap_bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bubblewrap_command, "BOX_PATH", str(tmp_path))
    with pytest.raises(ImageMissing, match="apt-get install nodejs"):
        await bubblewrap_bench.driver.prepare(bubblewrap_bench.profile(Language.NODE))


async def test_a_missing_bubblewrap_says_how_to_get_it(
    bubblewrap_bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bubblewrap_command, "LAUNCHER_PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="apt-get install bubblewrap"):
        await bubblewrap_bench.driver.check()


@pytest.fixture
def broken_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts another program in bubblewrap's place."""
    # Not below /tmp, which may be a file system of its own: boxes are not made of it.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        program = Path(folder, "bwrap")
        program.write_text("#!/bin/sh\necho no namespaces today >&2\nexit 1\n")
        program.chmod(0o755)
        path = f"{folder}:{bubblewrap_command.LAUNCHER_PATH}"
        monkeypatch.setattr(bubblewrap_command, "LAUNCHER_PATH", path)
        yield


@pytest.mark.usefixtures("broken_bubblewrap")
async def test_what_bubblewrap_complains_about_is_told(bubblewrap_bench: Bench) -> None:
    with pytest.raises(EngineUnavailable, match=r"namespaces today.*max_user_namespaces"):
        await bubblewrap_bench.driver.check()


async def test_a_box_without_a_control_is_not_used(
    bubblewrap_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = (Control("network", "host", applied=False), Control("memory", "none", applied=False))
    monkeypatch.setattr(bubblewrap, "read_controls", lambda *_: weak)
    with pytest.raises(EngineUnavailable, match=r"not isolated: network,memory \("):
        await bubblewrap_bench.driver.prepare(bubblewrap_bench.profile(PYTHON))
