"""Records when keys were last used, outside of the calls that use them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from skillbox_auth.api_key import ApiKey
from skillbox_common.tasks import background

RESOLUTION = timedelta(minutes=1)
_log = structlog.get_logger(__name__)


class Touches(Protocol):
    """The part of the store that is needed here."""

    async def touch(self, seen: Mapping[UUID, datetime]) -> None: ...


class LastUse:
    """Collects uses and writes them every `interval` seconds, each key once a minute."""

    def __init__(self, store: Touches, interval: float = 1.0) -> None:
        self._store = store
        self._interval = interval
        self._seen: dict[UUID, datetime] = {}

    def used(self, key: ApiKey, at: datetime) -> None:
        if key.last_used_at is None or at - key.last_used_at >= RESOLUTION:
            self._seen[key.id] = at

    async def flush(self) -> None:
        """Writes what was collected; after a failure it is tried again with the next call."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            await self._store.touch(seen)
        except Exception as error:
            _log.warning("last use not recorded", keys=len(seen), kind=type(error).__name__)
            self._seen = seen | self._seen

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Flushes in the background, and once more at the end."""
        try:
            async with background(self._run()):
                yield
        finally:
            await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.flush()
