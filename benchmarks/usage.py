"""What the processes of a stack use."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.stack import Running


def memory(stack: Running) -> dict[str, float]:
    """Returns the MiB that each service has allocated.

    Not those of files, whose pages others may share or not.
    """
    return {
        name: sum(_anonymous(process.pid) for process in _processes(name, pid))
        for name, pid in stack.pids.items()
    }


def processor(stack: Running) -> dict[str, float]:
    """Returns the seconds of processor time that each service has taken so far."""
    return {
        name: sum(_seconds(process) for process in _processes(name, pid))
        for name, pid in stack.pids.items()
    }


def busy() -> float:
    """Returns the seconds of processor time that the whole machine has taken so far."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice + times.irq + times.softirq)


def _processes(name: str, pid: int) -> Iterator[psutil.Process]:
    process = psutil.Process(pid)
    yield process
    if name == "postgres":  # the children of the Executor are boxes
        yield from process.children(recursive=True)


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _anonymous(pid: int) -> float:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, value, *_ = line.split()
            if name == "Anonymous:":
                return int(value) / 1024
    return 0.0  # it has just ended
