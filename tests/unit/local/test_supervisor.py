"""Real processes: what a supervisor is for cannot be seen on others."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from skillbox_local import supervisor as supervisor_module
from skillbox_local.errors import LocalError
from skillbox_local.process import Program
from skillbox_local.state import ProcessState, State
from skillbox_local.supervisor import Supervisor, end_leftovers
from tests.support.waiting import until
from tests.unit.local.test_data_dir import STATE


def shell(
    name: str,
    script: str,
    prepare: Callable[[], Awaitable[None]] | None = None,
    stop_seconds: float = 10.0,
) -> Program:
    return Program(
        name,
        ["/bin/sh", "-c", script],
        {"PATH": os.environ["PATH"]},
        stop_seconds=stop_seconds,
        prepare=prepare,
    )


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(tmp_path, changed=lambda: None)
    yield supervisor
    await supervisor.kill()


def running(supervisor: Supervisor, name: str) -> int | None:
    state = supervisor.states()[name]
    return state.pid if state.state == "running" else None


async def test_end_before_settling_is_a_failed_start(supervisor: Supervisor) -> None:
    supervisor.start(shell("good", "sleep 60"))
    supervisor.start(shell("bad", "seq 100; echo the last words; exit 3"))
    with pytest.raises(LocalError) as raised:
        await supervisor.failure()
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("bad ended with exit code 3; the end of /")
    assert lines[-1] == "  the last words"
    assert len(lines) == 16


async def test_a_signal_is_named(supervisor: Supervisor) -> None:
    supervisor.start(shell("bad", "kill -SEGV $$"))
    with pytest.raises(LocalError, match="bad was killed by SIGSEGV"):
        await supervisor.failure()


async def test_program_that_does_not_exist(supervisor: Supervisor) -> None:
    supervisor.start(Program("bad", ["/nonexistent"], {}))
    with pytest.raises(LocalError, match=r"bad cannot be started: .*nonexistent"):
        await supervisor.failure()


async def test_prepare_runs_first_and_its_failure_counts(supervisor: Supervisor) -> None:
    async def prepare() -> None:
        raise LocalError("no room")

    supervisor.start(shell("bad", "sleep 60", prepare=prepare))
    with pytest.raises(LocalError, match="no room"):
        await supervisor.failure()


async def test_restart_after_settling(supervisor: Supervisor) -> None:
    supervisor.start(shell("crashing", "sleep 60"))
    await until(lambda: running(supervisor, "crashing"))
    supervisor.settle()
    first = running(supervisor, "crashing")
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: supervisor.states()["crashing"].state == "waiting")
    await until(lambda: running(supervisor, "crashing"))
    assert running(supervisor, "crashing") != first
    assert supervisor.states()["crashing"].restarts == 1


async def test_waits_longer_after_each_crash(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(shell("crashing", "date +%s.%N; sleep 0.1; exit 1"))
    supervisor.settle()
    await until(lambda: supervisor.states()["crashing"].restarts >= 3)
    begun = [float(line) for line in (tmp_path / "crashing.log").read_text().split()]
    waits = [later - before for before, later in itertools.pairwise(begun)]
    assert waits[0] > 0.5
    assert waits[1] > 1.0


async def test_stops_the_last_started_first(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    for name in ("first", "second", "third"):
        script = (
            f"trap 'echo {name} >>{order}; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
        )
        supervisor.start(shell(name, script))
    logs = [tmp_path / f"{name}.log" for name in ("first", "second", "third")]
    await until(lambda: all(log.exists() and log.read_text() for log in logs))
    await supervisor.stop()
    assert order.read_text().split() == ["third", "second", "first"]
    assert {state.state for state in supervisor.states().values()} == {"stopped"}


async def test_forces_what_does_not_stop_and_its_children(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; sleep 60"
    supervisor.start(shell("stubborn", script, stop_seconds=0.2))
    log = tmp_path / "stubborn.log"
    await until(lambda: log.exists() and log.read_text().endswith("\n"))
    grandchild = psutil.Process(int(log.read_text()))
    await supervisor.stop()
    await until(lambda: not grandchild.is_running() or grandchild.status() == "zombie")


async def test_keeps_the_log_of_the_run_before(tmp_path: Path) -> None:
    for number in range(3):
        supervisor = Supervisor(tmp_path, changed=lambda: None)
        supervisor.start(shell("talker", f"echo {number}; sleep 60"))
        await until((tmp_path / "talker.log").read_text)
        await supervisor.kill()
    assert (tmp_path / "talker.log").read_text() == "2\n"
    assert (tmp_path / "talker.log.1").read_text() == "1\n"


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    code = """
import asyncio, pathlib, sys
from skillbox_local.process import Program
from skillbox_local.supervisor import Supervisor

async def main():
    supervisor = Supervisor(pathlib.Path(sys.argv[1]), lambda: None)
    supervisor.start(Program("child", ["/bin/sleep", "60"], {}))
    while (state := supervisor.states()["child"]).pid is None:
        await asyncio.sleep(0.01)
    print(state.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        child = psutil.Process(int(process.stdout.readline()))
        assert child.is_running()
        process.kill()
    psutil.wait_procs([child], timeout=5)
    assert not child.is_running()


def leftover(**services: ProcessState) -> State:
    return replace(STATE, services=services)


@pytest.fixture
def left() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts shell scripts that say when they are ready."""
    started = []

    def start(script: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"{script}; echo; while :; do sleep 0.05; done"],
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def recorded(process: subprocess.Popen[bytes], age: float = 0) -> ProcessState:
    created = psutil.Process(process.pid).create_time()
    return ProcessState("running", process.pid, 0, created - age)


async def test_ends_what_was_left_behind(left: Callable[[str], subprocess.Popen[bytes]]) -> None:
    process = left(":")
    await end_leftovers(leftover(s3=recorded(process)))
    assert process.wait(5) == -signal.SIGTERM


async def test_kills_what_does_not_want_to_end(
    left: Callable[[str], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_LEFTOVER_S", 0.2)
    process = left("trap '' TERM")
    await end_leftovers(leftover(s3=recorded(process)))
    assert process.wait(5) == -signal.SIGKILL


async def test_leaves_a_stranger_with_the_same_pid_alone(
    left: Callable[[str], subprocess.Popen[bytes]],
) -> None:
    process = left(":")
    await end_leftovers(leftover(s3=recorded(process, age=3600)))
    assert process.poll() is None


async def test_nothing_was_left() -> None:
    await end_leftovers(None)
    await end_leftovers(leftover(s3=ProcessState("stopped")))
