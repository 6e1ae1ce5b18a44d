"""A time in which nothing is started that nobody waits for."""

import asyncio
from collections.abc import Callable


class Calm:
    """Leaves a run in peace that has just got its box.

    To start a box costs the machine ten times what a warm run does: the run would pay for the
    box of the next one. Times that overlap do not add up, so that starts are put off for a
    moment, but never for long.

    Args:
        over: Called at the end of each calm time.
    """

    def __init__(self, over: Callable[[], None]) -> None:
        self._over = over
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return self._timer is not None

    def hold(self, seconds: float) -> None:
        """Begins a calm time, or ends the present one earlier."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._end)

    def stop(self) -> None:
        """Ends the present calm time without a word."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        self._timer = None
        self._over()
