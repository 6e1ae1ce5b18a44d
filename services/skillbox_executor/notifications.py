"""Hears from Postgres what happens to executions, on any replica.

One connection listens for the whole process. When it is lost it is made anew; whoever waits
also looks by itself every second, so that a lost message costs time and nothing else.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import asyncpg
import structlog

from skillbox_common.tasks import background

EVENT_CHANNEL = "skillbox_events"
"""An execution has new events."""
END_CHANNEL = "skillbox_ends"
"""An execution has ended."""
CANCEL_CHANNEL = "skillbox_cancel"
"""An execution is to be cancelled."""
QUEUE_CHANNEL = "skillbox_queue"
"""Somebody waits in the queue."""
_RECONNECT_S = 0.5
_CHECK_S = 5.0
_log = structlog.get_logger(__name__)


class Notifications:
    """Wakes up those who wait for something."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._handlers: dict[str, Callable[[str], None]] = {}
        self._waiting: defaultdict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)

    def on(self, channel: str, handler: Callable[[str], None]) -> None:
        """Calls `handler` with every id that is announced on a channel."""
        self._handlers[channel] = handler

    @contextmanager
    def subscribe(self, channel: str, execution_id: str) -> Iterator[asyncio.Event]:
        """Yields an event that is set whenever the channel announces this execution."""
        news, key = asyncio.Event(), (channel, execution_id)
        self._waiting[key].add(news)
        try:
            yield news
        finally:
            self._waiting[key].discard(news)
            if not self._waiting[key]:
                del self._waiting[key]

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
                    for channel in (EVENT_CHANNEL, END_CHANNEL, CANCEL_CHANNEL, QUEUE_CHANNEL):
                        await connection.add_listener(channel, self._heard)
                    while not lost.is_set():
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_CHECK_S):
                                await lost.wait()
                        # The server may have gone without a word.
                        await connection.execute("SELECT 1", timeout=_CHECK_S)
                finally:
                    connection.terminate()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("not listening for notifications", kind=type(error).__name__)
            await asyncio.sleep(_RECONNECT_S)

    def _heard(self, _: object, __: int, channel: str, payload: object) -> None:
        execution_id = str(payload)
        if handler := self._handlers.get(channel):
            handler(execution_id)
        for news in self._waiting.get((channel, execution_id), ()):
            news.set()
