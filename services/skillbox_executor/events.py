"""Writing and reading the event list of an execution."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.domain import Event, EventKind, Execution
from skillbox_executor.notifications import END_CHANNEL, EVENT_CHANNEL, Notifications
from skillbox_executor.pool import Start
from skillbox_executor.sandbox.interface import Evidence
from skillbox_executor.store.interface import (
    EventReader,
    ExecutionLost,
    ExecutionReader,
    ExecutionWriter,
)

_BATCH = 500
_POLL_S = 1.0
_GATHER_S = 0.005  # a watcher is to see a line within 20 ms
_RETRY_S = 0.2


def finished_event(execution: Execution, seq: int) -> Event:
    """Returns the last event of an execution that has ended."""
    assert execution.finished_at is not None
    detail = {
        "status": execution.status.value,
        "reason": execution.reason.value if execution.reason else None,
        "error": execution.error,
        "exit_code": execution.exit_code,
        "duration_ms": execution.duration_ms,
    }
    return Event(seq, execution.finished_at, EventKind.FINISHED, detail=detail)


def sandbox_detail(evidence: Evidence, start: Start) -> dict[str, Any]:
    """Returns what a `started` event and the execution's record say about the sandbox."""
    return {
        "driver": evidence.driver,
        "runtime": evidence.runtime,
        "image": evidence.image,
        "image_digest": evidence.image_digest,
        "id": evidence.box_id,
        "start": start.value,
        "controls": [
            {"name": control.name, "value": control.value, "applied": control.applied}
            for control in evidence.controls
        ],
    }


class EventWriter:
    """Numbers the events of one execution and writes them in the background.

    What arrives shortly after an event, or while a write is under way, is written together with
    it: a chatty skill costs few statements, and one that ends at once none but the last.

    Args:
        last_seq: Number of the last event that is there already.
    """

    def __init__(self, store: ExecutionWriter, execution_id: str, last_seq: int) -> None:
        self._store = store
        self._execution_id = execution_id
        self._seq = last_seq
        self._pending: list[Event] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._draining = asyncio.Event()

    def next_seq(self) -> int:
        """Returns the number of the next event, each once."""
        self._seq += 1
        return self._seq

    def next(
        self,
        kind: EventKind,
        *,
        stream: str = "",
        data: bytes = b"",
        detail: Mapping[str, Any] | None = None,
    ) -> Event:
        """Makes the next event without writing it."""
        return Event(self.next_seq(), datetime.now(UTC), kind, stream, data, detail or {})

    def append(self, event: Event) -> None:
        """Hands an event over to be written."""
        self._pending.append(event)
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self._write())

    async def drain(self) -> list[Event]:
        """Stops writing and returns what is not written yet."""
        if self._task is not None:
            # Not cancelled: a statement that is under way ends sooner than its cancellation.
            self._draining.set()
            self._wake.set()
            await asyncio.wait({self._task})
            self._task = None
        pending, self._pending = self._pending, []
        return pending

    async def _write(self) -> None:
        while not self._draining.is_set():
            await self._wake.wait()
            self._wake.clear()
            if await _within(_GATHER_S, self._draining):
                return
            batch = self._pending[:_BATCH]
            if not batch:
                continue
            try:
                await self._store.append(self._execution_id, batch)
            except DependencyUnavailable:
                await asyncio.sleep(_RETRY_S)
                self._wake.set()
                continue
            except ExecutionLost:
                # Whoever took the execution has written its last event.
                self._pending.clear()
                continue
            # Only now: a batch of a lost connection is written again, which is harmless.
            del self._pending[: len(batch)]
            if self._pending:
                self._wake.set()


class EventFeed:
    """Reads events as they come, from any point and on any replica."""

    def __init__(
        self, store: ExecutionReader, history: EventReader, notifications: Notifications
    ) -> None:
        self._store = store
        self._history = history
        self._notifications = notifications

    async def watch(
        self, execution_id: str, after_seq: int = 0, *, follow: bool = True
    ) -> AsyncIterator[Event]:
        """Yields every event behind `after_seq`; ends after `finished`.

        Args:
            follow: Wait for events to come, also through an outage; else end with those that
                are there.
        """
        # It may lie behind the last event of all, which then never comes by.
        beyond = after_seq > 0
        with self._notifications.subscribe(EVENT_CHANNEL, execution_id) as news:
            while True:
                news.clear()
                try:
                    ended = beyond and await self._store.ended(execution_id)
                    batch = await self._history.events(execution_id, after_seq, _BATCH)
                except DependencyUnavailable:
                    if not follow:
                        raise
                    await _heard(news)
                    continue
                for event in batch:
                    yield event
                    if event.kind is EventKind.FINISHED:
                        return
                    after_seq = event.seq
                if batch:
                    beyond = False
                elif ended or not follow:
                    return
                else:
                    await _heard(news)

    async def until_ended(self, execution_id: str) -> None:
        """Returns when an execution has ended, however long the database is away meanwhile."""
        with self._notifications.subscribe(END_CHANNEL, execution_id) as news:
            while not await self._ended(execution_id):
                await _heard(news)
                news.clear()

    async def _ended(self, execution_id: str) -> bool:
        try:
            return await self._store.ended(execution_id)
        except DependencyUnavailable:
            return False


async def _heard(news: asyncio.Event) -> None:
    """Waits for news, but not for long: a message may be lost."""
    await _within(_POLL_S, news)


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Waits for an event; tells whether it came in time."""
    # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
