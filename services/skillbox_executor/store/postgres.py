"""Executions in Postgres."""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from skillbox_common import db
from skillbox_common.errors import ExecutionNotFound
from skillbox_executor.domain import CANCELLED, Event, EventKind, Execution, Status
from skillbox_executor.notifications import CANCEL_CHANNEL, EVENT_CHANNEL
from skillbox_executor.store import rows
from skillbox_executor.store.interface import Cursor, ExecutionLost

# A start or an end that was recorded already, but nobody heard of it, is recorded again.
_MINE = f"owner = $2 AND {rows.UNFINISHED}"
_START = f"""
WITH started AS (
    UPDATE executions SET status = 'running', started_at = $3, sandbox = $4, work = NULL
    WHERE id = $1 AND owner = $2 AND (status = 'queued' OR status = 'running' AND started_at = $3)
    RETURNING id
), written AS (
    INSERT INTO events (execution_id, seq, time, kind, stream, data, detail)
    SELECT started.id, e.* FROM started, {rows.unnest_events(5)} ON CONFLICT DO NOTHING
)
SELECT pg_notify('{EVENT_CHANNEL}', id::text) FROM started
"""  # noqa: S608 - constants of ours
# The lock is the one that whoever takes the execution away waits for.
_APPEND = f"""
WITH held AS (
    SELECT id FROM executions WHERE id = $1 AND {_MINE} FOR KEY SHARE
), written AS (
    INSERT INTO events (execution_id, seq, time, kind, stream, data, detail)
    SELECT held.id, e.* FROM held, {rows.unnest_events(3)} ON CONFLICT DO NOTHING
)
SELECT pg_notify('{EVENT_CHANNEL}', id::text) FROM held
"""  # noqa: S608 - constants of ours
_FINISH = rows.FINISH % f"owner = $18 AND ({rows.UNFINISHED} OR finished_at = $9)"
_POSITION = """
CASE WHEN status = 'queued' THEN (
    SELECT count(*) FROM executions AS other
    WHERE other.tenant_id = executions.tenant_id AND other.status = 'queued'
      AND (other.created_at, other.id) <= (executions.created_at, executions.id)
) ELSE 0 END AS queue_position
"""
_GET = f"SELECT {rows.COLUMNS}, {_POSITION} FROM executions WHERE id = $1 AND tenant_id = $2"  # noqa: S608 - constants of ours
_PAGE = f"""
SELECT {rows.SUMMARY}, {_POSITION} FROM executions
WHERE tenant_id = $1
  AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
  AND ($4 = '' OR skill_name = $4)
  AND ($5::text IS NULL OR status = $5)
ORDER BY created_at DESC, id DESC LIMIT $6
"""  # noqa: S608 - constants of ours
_CANCEL = f"""
UPDATE executions SET cancel_requested = true WHERE id = $1 AND {rows.UNFINISHED}
RETURNING {rows.COLUMNS}, owner
"""  # noqa: S608 - constants of ours


class PostgresExecutionStore:
    """Implements `ExecutionReader`, and `ExecutionWriter` for one replica."""

    def __init__(self, pool: "db.Pool", owner: str) -> None:
        self._pool = pool
        self._owner = owner

    async def start(self, execution: Execution, event: Event) -> None:
        await self._write(
            _START,
            execution.id,
            self._owner,
            execution.started_at,
            rows.json_text(execution.sandbox),
            *rows.event_values([event]),
        )

    async def append(self, execution_id: str, events: Sequence[Event]) -> None:
        await self._write(_APPEND, execution_id, self._owner, *rows.event_values(events))

    async def finish(self, execution: Execution, events: Sequence[Event]) -> None:
        await self._write(
            _FINISH,
            execution.id,
            *rows.end_values(execution),
            *rows.event_values(events),
            self._owner,
        )

    async def get(self, tenant_id: str, execution_id: str) -> Execution:
        try:
            key = uuid.UUID(execution_id)
        except ValueError:
            key = None
        row = None
        if key is not None:
            async with db.unavailable_when_lost():
                row = await self._pool.fetchrow(_GET, key, tenant_id)
        if row is None:
            raise ExecutionNotFound("execution not found")
        return rows.execution_of(row)

    async def ended(self, execution_id: str) -> bool:
        async with db.unavailable_when_lost():
            unfinished = await self._pool.fetchval(
                f"SELECT EXISTS (SELECT FROM executions WHERE id = $1 AND {rows.UNFINISHED})",  # noqa: S608 - a constant of ours
                execution_id,
            )
        return not unfinished

    async def page(
        self, tenant_id: str, after: Cursor | None, size: int, skill: str, status: Status | None
    ) -> list[Execution]:
        async with db.unavailable_when_lost():
            found = await self._pool.fetch(
                _PAGE,
                tenant_id,
                *(after or (None, None)),
                skill,
                status.value if status else None,
                size,
            )
        return [rows.execution_of(row) for row in found]

    async def events(self, execution_id: str, after_seq: int, limit: int) -> list[Event]:
        async with db.unavailable_when_lost():
            found = await self._pool.fetch(
                "SELECT seq, time, kind, stream, data, detail FROM events "
                "WHERE execution_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                execution_id,
                after_seq,
                limit,
            )
        return [
            Event(
                seq=row["seq"],
                time=row["time"],
                kind=EventKind(row["kind"]),
                stream=row["stream"],
                data=row["data"],
                detail=msgspec.json.decode(row["detail"]),
            )
            for row in found
        ]

    async def logs(self, execution_id: str) -> bytes:
        async with db.unavailable_when_lost():
            logs: bytes | None = await self._pool.fetchval(
                "SELECT string_agg(data, ''::bytea ORDER BY seq) FROM events "
                "WHERE execution_id = $1 AND kind = 'log'",
                execution_id,
            )
        return logs or b""

    async def request_cancel(self, execution_id: str) -> None:
        async with rows.transaction(self._pool) as connection:
            row = await connection.fetchrow(_CANCEL, execution_id)
            if row is None:
                return
            if row["owner"] is None:
                await rows.end(connection, row, CANCELLED)
            else:
                await connection.execute("SELECT pg_notify($1, $2)", CANCEL_CHANNEL, execution_id)

    async def _write(self, statement: str, *values: Any) -> None:
        async with db.unavailable_when_lost():
            written = await self._pool.fetch(statement, *values)
        if not written:
            raise ExecutionLost
