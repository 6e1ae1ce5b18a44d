"""Those who stand behind others."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Turns:
    """Gives turns in the order in which they were asked for, when there is time for one.

    Args:
        changed: Called when somebody asks for a turn, and at the end of each.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._asked: deque[asyncio.Future[None]] = deque()
        self._taken = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn, which lasts while the context is open."""
        given = asyncio.get_running_loop().create_future()
        self._asked.append(given)
        self._changed()
        try:
            await given
            yield
        finally:
            if given.done() and not given.cancelled():
                self._taken -= 1
            self._changed()

    def give(self, at_once: int) -> None:
        """Gives turns to those who wait, until so many have one."""
        while self._asked and self._taken < at_once:
            given = self._asked.popleft()
            if not given.done():
                given.set_result(None)
                self._taken += 1
