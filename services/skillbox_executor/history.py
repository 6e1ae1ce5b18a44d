"""The events of an execution, wherever they are kept.

While an execution goes on and for a while afterwards they are rows, which can be watched. Then
the sweep moves all of them into one object, which costs the database nothing.
"""

import gzip
from collections.abc import Sequence
from typing import IO, Protocol

import msgspec

from skillbox_executor.domain import Event, EventKind
from skillbox_executor.store.interface import EventReader, Retention


class Objects(Protocol):
    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None: ...
    async def get(self, key: str) -> bytes: ...


def history_key(tenant_id: str, execution_id: str) -> str:
    """Returns where the events of an execution are kept in the bucket of executions."""
    return f"{tenant_id}/{execution_id}/events.json.gz"


class History:
    """Reads events from rows, or from where the sweep has put them."""

    def __init__(self, rows: EventReader, retention: Retention, objects: Objects) -> None:
        self._rows = rows
        self._retention = retention
        self._objects = objects

    async def events(self, execution_id: str, after_seq: int, limit: int) -> list[Event]:
        """Returns at most `limit` events behind `after_seq`, in order."""
        found = await self._rows.events(execution_id, after_seq, limit)
        if found:
            return found
        behind = [event for event in await self._moved(execution_id) if event.seq > after_seq]
        return behind[:limit]

    async def logs(self, execution_id: str) -> bytes:
        """Returns everything that was printed, in order."""
        found = await self._rows.logs(execution_id)
        if found:
            return found
        moved = await self._moved(execution_id)
        return b"".join(event.data for event in moved if event.kind is EventKind.LOG)

    async def _moved(self, execution_id: str) -> Sequence[Event]:
        tenant_id = await self._retention.moved(execution_id)
        if tenant_id is None:
            return ()
        return decode(await self._objects.get(history_key(tenant_id, execution_id)))


def encode(events: Sequence[Event]) -> bytes:
    """Packs events; the same ones always give the same bytes."""
    return gzip.compress(msgspec.json.encode(events), mtime=0)


def decode(packed: bytes) -> list[Event]:
    """Reads what `encode` has packed."""
    return msgspec.json.decode(gzip.decompress(packed), type=list[Event])
