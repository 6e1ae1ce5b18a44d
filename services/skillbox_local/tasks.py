"""Small helpers around asyncio."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self


async def race(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Waits for the first to end, cancels the others, and raises what the first raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


class StopSignals:
    """Listens to SIGINT, SIGTERM and SIGHUP: the first asks for a stop, the second forces it.

    Args:
        asked: Called at the first signal.
    """

    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, asked: Callable[[], None]) -> None:
        self._asked = asked
        self.requested = asyncio.Event()
        self.forced = asyncio.Event()

    def __enter__(self) -> Self:
        for number in self._NUMBERS:
            asyncio.get_running_loop().add_signal_handler(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in self._NUMBERS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _receive(self) -> None:
        if self.requested.is_set():
            self.forced.set()
        else:
            self.requested.set()
            self._asked()
