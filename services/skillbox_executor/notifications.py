"""Hears from Postgres that an execution has new events or is to be cancelled.

One connection listens for the whole process. When it is lost it is made anew; whoever waits
also looks by itself every second, so that a lost message costs time and nothing else.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import structlog

from skillbox_common.tasks import background

EVENT_CHANNEL = "skillbox_events"
CANCEL_CHANNEL = "skillbox_cancel"
_RECONNECT_S = 0.5
_log = structlog.get_logger(__name__)


class Notifications:
    """Wakes up those who wait for an execution.

    Args:
        on_cancel: Called with the id of an execution that somebody wants to end.
    """

    def __init__(self, dsn: str, on_cancel: Callable[[str], None]) -> None:
        self._dsn = dsn
        self._on_cancel = on_cancel
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def subscribe(self, execution_id: str) -> Iterator[asyncio.Event]:
        """Yields an event that is set whenever the execution has news."""
        news = asyncio.Event()
        self._waiting[execution_id].add(news)
        try:
            yield news
        finally:
            self._waiting[execution_id].discard(news)
            if not self._waiting[execution_id]:
                del self._waiting[execution_id]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listens while the context is open."""
        async with background(self._listen()):
            yield

    async def _listen(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                try:
                    await connection.add_listener(EVENT_CHANNEL, self._heard)
                    await connection.add_listener(CANCEL_CHANNEL, self._heard)
                    await lost.wait()
                finally:
                    connection.terminate()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("not listening for notifications", kind=type(error).__name__)
            await asyncio.sleep(_RECONNECT_S)

    def _heard(self, _: object, __: int, channel: str, execution_id: object) -> None:
        if channel == CANCEL_CHANNEL:
            self._on_cancel(str(execution_id))
            return
        for news in self._waiting.get(str(execution_id), ()):
            news.set()
