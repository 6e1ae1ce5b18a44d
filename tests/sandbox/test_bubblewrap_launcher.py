"""The process that starts bubblewrap boxes: what it hands over, and what happens without it."""

import os
import select
import signal
from collections.abc import Iterator

import psutil
import pytest

from skillbox_executor.sandbox.bubblewrap_launcher import Launch, Launcher
from skillbox_executor.sandbox.bubblewrap_zygote import STAGE
from skillbox_executor.sandbox.interface import BoxLost, Language
from tests.sandbox.skills import MIB, Bench, payload

pytestmark = pytest.mark.bubblewrap


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    made = Launcher(["/usr", "/bin", "/lib", "/lib64", "/proc/self", "/dev/null"])
    yield made
    made.close()


def output(
    launcher: Launcher, program: str, *args: str, tmpfs: dict[str, str] | None = None
) -> str:
    """Starts a program; returns all that it and its launch say, when it has ended."""
    read, write = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        what = Launch(program, [program, *args], {"WHO": "me"}, tmpfs or {}, {}, user=0)
        handle = launcher.launch(what, [null, write, write])
    finally:
        os.close(write)
        os.close(null)
    with os.fdopen(read) as file:
        said = file.read()
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    assert poll.poll(5000), "the process has not ended"
    os.close(handle)
    return said


def shell(launcher: Launcher, script: str, **more: dict[str, str]) -> str:
    return output(launcher, "/bin/sh", "-c", script, **more)


def test_a_process_has_only_what_it_was_given(launcher: Launcher) -> None:
    assert output(launcher, "/usr/bin/env") == "WHO=me\n"
    # The last one is that of the listing.
    assert output(launcher, "/bin/ls", "/proc/self/fd").split() == ["0", "1", "2", "3"]
    # The C library keeps some signals for itself, which nobody can set.
    ours = sum(1 << number - 1 for number in signal.valid_signals())
    for mask in ("SigIgn", "SigBlk"):
        found = output(launcher, "/bin/grep", mask, "/proc/self/status").split()[1]
        assert int(found, 16) & ours == 0, f"{mask} {found}"


def test_each_has_its_own_file_systems_which_hold_no_programs(launcher: Launcher) -> None:
    place = f"{STAGE}/place"
    script = f"echo >{place}/new && ls {place} && grep {place} /proc/self/mountinfo"
    for _ in range(2):
        listing, mounted = output(
            launcher, "/bin/sh", "-c", script, tmpfs={place: f"size={MIB}"}
        ).splitlines()
        assert listing == "new"
        assert set(mounted.split()[5].split(",")) >= {"noexec", "nosuid", "nodev"}
    assert output(launcher, "/bin/ls", place) == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user cannot detach mounts of the host")
def test_what_boxes_are_not_made_of_is_not_mounted(launcher: Launcher) -> None:
    points = output(launcher, "/usr/bin/cut", "-d ", "-f5", "/proc/self/mountinfo").split()
    assert {"/", "/proc", STAGE} <= set(points)
    assert not [point for point in points if point.startswith((f"{STAGE}/", "/proc/", "/dev/pts"))]


def test_what_cannot_be_executed_is_told(launcher: Launcher) -> None:
    assert "No such file" in output(launcher, "/no/such/program")
    assert "mount: Invalid argument" in output(
        launcher, "/usr/bin/env", tmpfs={f"{STAGE}/place": "no-such-option"}
    )


def zygotes() -> set[int]:
    """Returns the numbers of the processes that this one has with that program."""
    return {
        child.pid
        for child in psutil.Process().children()
        if any("bubblewrap reads the whole table" in word for word in child.cmdline())
    }


@pytest.fixture
async def zygote(bubblewrap_bench: Bench) -> int:
    """Starts that of the bench, and returns its number; other tests may have others."""
    before = zygotes()
    async with bubblewrap_bench.box(Language.BASH):
        (new,) = zygotes() - before
        return new


async def test_boxes_end_with_it_and_the_next_has_another(
    bubblewrap_bench: Bench, zygote: int
) -> None:
    python = Language.PYTHON
    async with bubblewrap_bench.box(python) as box:
        os.kill(zygote, signal.SIGKILL)
        with pytest.raises(BoxLost, match="ended without a result"):
            await bubblewrap_bench.run_in(box, payload(python, "print('never')"))
        assert (await bubblewrap_bench.run(python, "print('well')")).ok() == "well\n"


async def test_it_ends_with_its_driver(bubblewrap_bench: Bench, zygote: int) -> None:
    assert psutil.pid_exists(zygote)
    await bubblewrap_bench.driver.close()
    assert not psutil.pid_exists(zygote)


async def test_a_signal_does_what_it_does_elsewhere(bubblewrap_bench: Bench) -> None:
    # Python ignores a broken pipe, and what is ignored would be inherited.
    ran = await bubblewrap_bench.run(
        Language.BASH, "bash -c 'trap - PIPE; yes' | head -1; echo ${PIPESTATUS[0]}"
    )
    assert ran.ok() == "y\n141\n"
