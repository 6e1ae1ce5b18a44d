"""Writing and reading the event list of an execution."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.domain import Event, EventKind, Execution
from skillbox_executor.notifications import Notifications
from skillbox_executor.pool import Start
from skillbox_executor.sandbox.interface import Evidence
from skillbox_executor.store.interface import ExecutionStore

_BATCH = 500
_POLL_S = 1.0
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

    What arrives while a write is under way goes into the next one, so a chatty skill costs
    few statements and a quiet one is written at once.
    """

    def __init__(self, store: ExecutionStore, execution_id: str) -> None:
        self._store = store
        self._execution_id = execution_id
        self._seq = 0
        self._pending: list[Event] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

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
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        pending, self._pending = self._pending, []
        return pending

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch = self._pending[:_BATCH]
            if not batch:
                continue
            try:
                await self._store.append(self._execution_id, batch)
            except DependencyUnavailable:
                await asyncio.sleep(_RETRY_S)
                self._wake.set()
                continue
            # Only now: a batch that is cancelled half-way is written again, which is harmless.
            del self._pending[: len(batch)]
            if self._pending:
                self._wake.set()


class EventFeed:
    """Reads events as they come, from any point and on any replica."""

    def __init__(self, store: ExecutionStore, notifications: Notifications) -> None:
        self._store = store
        self._notifications = notifications

    async def watch(
        self, execution_id: str, after_seq: int = 0, *, follow: bool = True
    ) -> AsyncIterator[Event]:
        """Yields every event behind `after_seq`; ends after `finished`.

        Args:
            follow: Wait for events to come; else end with those that are there.
        """
        with self._notifications.subscribe(execution_id) as news:
            while True:
                news.clear()
                batch = await self._store.events(execution_id, after_seq, _BATCH)
                for event in batch:
                    yield event
                    if event.kind is EventKind.FINISHED:
                        return
                    after_seq = event.seq
                if not batch:
                    if not follow:
                        return
                    # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_S):
                            await news.wait()
