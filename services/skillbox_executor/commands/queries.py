"""Looks at executions, and asks for their end."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from skillbox_common import pagination
from skillbox_common.errors import InvalidArgument
from skillbox_executor.commands.record import artifact_key
from skillbox_executor.commands.run import Ended
from skillbox_executor.domain import Event, EventKind, Execution, Status
from skillbox_executor.events import EventFeed
from skillbox_executor.store.interface import Cursor, EventReader, ExecutionReader

FILES_URL_SECONDS = 3600
MAX_WAIT_S = 600.0


class UrlSigner(Protocol):
    def presigned_url(self, key: str, seconds: int) -> str: ...


@dataclass(frozen=True)
class Record:
    """An execution with what is not in its row.

    Attributes:
        files_url: Signed just now; empty without files.
        logs: Everything that was printed.
    """

    execution: Execution
    files_url: str
    logs: bytes


class Queries:
    """What callers may ask about their tenant's executions."""

    def __init__(
        self, store: ExecutionReader, history: EventReader, feed: EventFeed, signer: UrlSigner
    ) -> None:
        self._store = store
        self._history = history
        self._feed = feed
        self._signer = signer

    async def get(self, tenant_id: str, execution_id: str, wait_s: float = 0.0) -> Record:
        """Returns an execution in any state.

        Args:
            wait_s: How long it is given to end before.

        Raises:
            ExecutionNotFound: See `ExecutionReader.get`.
            InvalidArgument: `wait_s` is negative or too long.
        """
        if not 0 <= wait_s <= MAX_WAIT_S:
            raise InvalidArgument.of("wait", f"{wait_s:g}s", "a duration of 10 minutes at most")
        execution = await self._store.get(tenant_id, execution_id)
        if wait_s and not execution.status.final:
            # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._feed.until_ended(execution.id)
            execution = await self._store.get(tenant_id, execution_id)
        return self._record(execution, await self._history.logs(execution.id))

    async def ended(self, tenant_id: str, ended: Ended) -> Record:
        """Returns an execution that has just ended, from memory where this replica ran it.

        Raises:
            ExecutionNotFound: See `ExecutionReader.get`.
        """
        if ended.execution is None:
            return await self.get(tenant_id, ended.id)
        return self._record(ended.execution, ended.logs)

    async def page(
        self, tenant_id: str, page_size: int, page_token: str, skill: str, status: Status | None
    ) -> tuple[list[Execution], str]:
        """Returns one page, newest first, and the token of the next one.

        Raises:
            InvalidArgument: The size or the token is not valid.
        """
        size = pagination.page_size(page_size)
        rows = await self._store.page(tenant_id, _cursor(page_token), size + 1, skill, status)
        more, rows = len(rows) > size, rows[:size]
        token = (
            pagination.encode_token(rows[-1].created_at.isoformat(), rows[-1].id) if more else ""
        )
        return rows, token

    async def cancel(self, tenant_id: str, execution_id: str) -> Execution:
        """Asks for the end of an execution, whichever replica holds it.

        Raises:
            ExecutionNotFound: See `ExecutionReader.get`.
        """
        execution = await self._store.get(tenant_id, execution_id)
        if not execution.status.final:
            await self._store.request_cancel(execution.id)
        return execution

    async def watch(
        self, tenant_id: str, execution_id: str, after_seq: int
    ) -> AsyncIterator[Event]:
        """Returns the events behind `after_seq`, as they come until the execution has ended.

        Raises:
            ExecutionNotFound: See `ExecutionReader.get`.
            InvalidArgument: `after_seq` is negative.
        """
        if after_seq < 0:
            raise InvalidArgument.of("after_seq", after_seq, "a number from 0")
        execution = await self._store.get(tenant_id, execution_id)
        # A caller who has seen `finished` may ask again: nothing is to come.
        follow = not execution.status.final
        return self._feed.watch(execution.id, after_seq, follow=follow)

    async def logs(
        self, tenant_id: str, execution_id: str, *, follow: bool
    ) -> AsyncIterator[Event]:
        """Returns what was printed so far, or with `follow` until the execution has ended.

        Raises:
            ExecutionNotFound: See `ExecutionReader.get`.
        """
        execution = await self._store.get(tenant_id, execution_id)
        events = self._feed.watch(execution.id, follow=follow)
        return (event async for event in events if event.kind is EventKind.LOG)

    def _record(self, execution: Execution, logs: bytes) -> Record:
        url = ""
        if execution.files:
            url = self._signer.presigned_url(artifact_key(execution), FILES_URL_SECONDS)
        return Record(execution, url, logs)


def _cursor(page_token: str) -> Cursor | None:
    key = pagination.decode_token(page_token, 2)
    if key is None:
        return None
    try:
        return datetime.fromisoformat(key[0]), str(uuid.UUID(key[1]))
    except ValueError:
        raise pagination.invalid_token(page_token) from None
