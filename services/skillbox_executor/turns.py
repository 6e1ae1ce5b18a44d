"""Those who stand behind others."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_LONGEST_REST_S = 2.0


class Turns:
    """Gives turns in the order in which they were asked for, when there is time for one.

    Args:
        changed: Called when somebody asks for a turn, and at the end of each.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._asked: deque[asyncio.Future[float]] = deque()
        self._taken = 0
        self._ended = False

    @asynccontextmanager
    async def turn(self, rests: Callable[[], bool]) -> AsyncIterator[None]:
        """Waits for a turn, which lasts while the context is open.

        Args:
            rests: Asked at its end. If so, the next one is given after a rest as long as this
                turn was, though not longer than a start takes on a slow machine.
        """
        loop = asyncio.get_running_loop()
        given: asyncio.Future[float] = loop.create_future()
        self._asked.append(given)
        self._changed()
        if self._ended:
            self.end()
        try:
            await given
            yield
        finally:
            if not given.done() or given.cancelled():
                self._changed()
            elif rests():
                lasted = loop.time() - given.result()
                loop.call_later(min(lasted, _LONGEST_REST_S), self._end)
            else:
                self._end()

    def end(self) -> None:
        """Gives every turn at once from now on."""
        self._ended = True
        self.give(self._taken + len(self._asked))

    def _end(self) -> None:
        self._taken -= 1
        self._changed()

    def give(self, at_once: int) -> None:
        """Gives turns to those who wait, until so many have one."""
        while self._asked and self._taken < at_once:
            given = self._asked.popleft()
            if not given.done():
                given.set_result(given.get_loop().time())
                self._taken += 1
