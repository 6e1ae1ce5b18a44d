"""Moves what has ended out of the database, and forgets what is old."""

from typing import Protocol

import structlog

from skillbox_executor.commands.record import artifact_key
from skillbox_executor.domain import Execution
from skillbox_executor.history import Objects, encode, history_key
from skillbox_executor.store.interface import EventReader, Retention

_BATCH = 100
# More than any execution has: its log is bounded.
_ALL_EVENTS = 10_000_000
_log = structlog.get_logger(__name__)


class RemovableObjects(Objects, Protocol):
    async def delete(self, key: str) -> None: ...


class Sweep:
    """Every replica sweeps; doing anything twice changes nothing.

    Args:
        move_after_s: Seconds after its end for which an execution's events stay rows.
        forget_after_s: Seconds after its end for which an execution is kept; `None` for ever.
    """

    def __init__(
        self,
        rows: EventReader,
        retention: Retention,
        objects: RemovableObjects,
        *,
        move_after_s: float,
        forget_after_s: float | None,
    ) -> None:
        self._rows = rows
        self._retention = retention
        self._objects = objects
        self._move_after_s = move_after_s
        self._forget_after_s = forget_after_s

    async def __call__(self) -> None:
        """Sweeps once.

        Raises:
            DependencyUnavailable: The database or the object store does not answer.
        """
        forgotten = 0
        if self._forget_after_s is not None:
            while old := await self._retention.ended_before(self._forget_after_s, _BATCH):
                for execution in old:
                    await self._forget(execution)
                forgotten += len(old)
        moved = 0
        while recent := await self._retention.to_move(self._move_after_s, _BATCH):
            for execution in recent:
                await self._move(execution)
            moved += len(recent)
        if forgotten or moved:
            _log.info("swept", forgotten=forgotten, moved=moved)

    async def _move(self, execution: Execution) -> None:
        events = await self._rows.events(execution.id, 0, _ALL_EVENTS)
        # All of them go at once, so there are none when another replica was faster: what it has
        # stored must not be overwritten.
        if events:
            key = history_key(execution.tenant_id, execution.id)
            await self._objects.put(key, encode(events), "application/gzip")
        await self._retention.set_moved(execution.id)

    async def _forget(self, execution: Execution) -> None:
        """Removes an execution; the row last, so that nothing is left when it is cut short."""
        # A replica that died may have stored files that no row tells of.
        await self._objects.delete(artifact_key(execution))
        await self._objects.delete(history_key(execution.tenant_id, execution.id))
        await self._retention.forget(execution.id)
