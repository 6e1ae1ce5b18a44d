"""Keeps a list of programs running. Knows nothing of what they are."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from skillbox_local.process import Child, Program
from skillbox_local.state import ProcessState, State

_LEFTOVER_S = 15.0
_INTERVAL_S = 0.05


class Supervisor:
    """Starts programs, restarts what dies, stops all in the reverse order.

    Until `settle` a program that ends is a failed start; afterwards it is restarted.
    """

    def __init__(self, logs: Path, changed: Callable[[], None]) -> None:
        self._logs = logs
        self._changed = changed
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, program: Program) -> None:
        """Starts a program and keeps it running."""
        log = self._logs / f"{program.name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        log.touch(mode=0o600)
        child = Child(program, log, self._changed)
        self._children.append(child)
        task = asyncio.create_task(child.keep())
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def failure(self) -> None:
        """Waits until one of the programs cannot be kept running.

        Raises:
            LocalError: Says which, and why.
        """
        await asyncio.shield(self._failed)

    def settle(self) -> None:
        """From now on a program that ends is restarted."""
        for child in self._children:
            child.restart = True

    def states(self) -> dict[str, ProcessState]:
        """Returns the state of each program."""
        return {child.program.name: child.state for child in self._children}

    async def stop(self) -> None:
        """Stops every program, the last started first."""
        for child in reversed(self._children):
            await child.stop()
        await self._end_tasks()

    async def kill(self) -> None:
        """Ends every program at once."""
        await asyncio.gather(*(child.kill() for child in self._children))
        await self._end_tasks()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._failed.cancel()


async def end_leftovers(state: State | None) -> None:
    """Ends what a killed supervisor left behind; it got a signal then and may still be busy."""
    recorded = list(state.services.values()) if state else []
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in filter(None, map(_left, recorded)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEFTOVER_S):
                while any(map(_left, recorded)):  # noqa: ASYNC110 - they are nobody's children
                    await asyncio.sleep(_INTERVAL_S)


def _left(recorded: ProcessState) -> psutil.Process | None:
    """Returns the process that was recorded, unless it has ended."""
    try:
        process = psutil.Process(recorded.pid) if recorded.pid else None
        if process is None or process.status() == psutil.STATUS_ZOMBIE:
            return None
        # Another process may have got the number since.
        return process if abs(process.create_time() - recorded.created) < 1 else None
    except psutil.NoSuchProcess:
        return None
