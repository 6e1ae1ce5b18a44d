"""Cancels what nobody waits for any more, while its caller is gone already."""

import asyncio
from typing import Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable

_RETRY_S = 0.5
_TRIES = 60
_CLOSE_S = 2.0
_log = structlog.get_logger(__name__)


class Cancels(Protocol):
    async def request_cancel(self, execution_id: str) -> None: ...


class Abandoned:
    """Executions whose callers left, on their way to be cancelled."""

    def __init__(self, store: Cancels) -> None:
        self._store = store
        self._tasks: set[asyncio.Task[None]] = set()

    def cancel(self, execution_id: str) -> None:
        """Cancels an execution in the background, whichever replica holds it."""
        task = asyncio.create_task(self._cancel(execution_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Gives what is on its way a moment."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_S)
        for task in self._tasks:
            task.cancel()

    async def _cancel(self, execution_id: str) -> None:
        for _ in range(_TRIES):
            try:
                await self._store.request_cancel(execution_id)
                return
            except DependencyUnavailable:
                await asyncio.sleep(_RETRY_S)
        _log.warning("an execution runs on without its caller", execution_id=execution_id)
