"""Destroys boxes in the background, until they are gone."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress

import structlog

from skillbox_executor.sandbox.interface import Box, Driver, SandboxError

Turn = Callable[[], AbstractAsyncContextManager[None]]

_PARALLEL = 4
_LONGEST_RETRY_S = 30.0
_log = structlog.get_logger(__name__)


class Teardown:
    """Takes boxes that nobody needs any more. An engine that does not answer is asked again."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._parallel = asyncio.Semaphore(_PARALLEL)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, box: Box, after_s: float = 0.0, turn: Turn = nullcontext) -> None:
        """Destroys a box, after a time in which others go first.

        Args:
            turn: Entered while the driver does it.
        """
        task = asyncio.create_task(self._destroy(box, after_s, turn))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def add_started(self, starting: "asyncio.Task[Box]") -> None:
        """Destroys a box as soon as it has started."""

        def started(task: "asyncio.Task[Box]") -> None:
            if not task.cancelled() and task.exception() is None:
                self.add(task.result())

        self._tasks.add(starting)  # type: ignore[arg-type] # `finished` looks at no result
        starting.add_done_callback(started)
        starting.add_done_callback(self._tasks.discard)

    async def finished(self) -> None:
        """Destroys what is left at once; returns when each box is gone or was tried once more."""
        self._closing.set()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _destroy(self, box: Box, wait: float, turn: Turn) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._closing.wait()
            last = self._closing.is_set()
            try:
                async with turn(), self._parallel:
                    await self._driver.destroy(box)
                return
            except SandboxError as error:
                _log.warning("a box could not be destroyed", box=box.id, error=str(error))
            except Exception:
                _log.exception("a box could not be destroyed", box=box.id)
            if last:
                return
            wait = min(max(1.0, 2 * wait), _LONGEST_RETRY_S)
