"""Executions in Postgres."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from asyncpg import Record

from skillbox_common import db
from skillbox_common.errors import ExecutionNotFound
from skillbox_executor.domain import Event, EventKind, Execution, Outcome, Reason, Status
from skillbox_executor.events import finished_event
from skillbox_executor.notifications import CANCEL_CHANNEL, EVENT_CHANNEL
from skillbox_executor.store.interface import Cursor

_SUMMARY = (
    "id, tenant_id, skill_name, skill_version, status, reason, error, exit_code, duration_ms, "
    "created_at, started_at, finished_at"
)


class PostgresExecutionStore:
    """Implements `ExecutionStore`; changes are announced with NOTIFY."""

    def __init__(self, pool: "db.Pool") -> None:
        self._pool = pool

    async def create(self, execution: Execution, owner: str, first: Event) -> None:
        async with db.unavailable_when_lost():
            await self._pool.execute(
                """
                WITH execution AS (
                    INSERT INTO executions (id, tenant_id, skill_name, skill_version, status,
                                            input_json, created_at, owner)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                    RETURNING id
                )
                INSERT INTO events (execution_id, seq, time, kind)
                SELECT id, $9, $10, $11 FROM execution
                """,
                execution.id,
                execution.tenant_id,
                execution.skill_name,
                execution.skill_version,
                execution.status.value,
                execution.input_json,
                execution.created_at,
                owner,
                first.seq,
                first.time,
                first.kind.value,
            )

    async def start(self, execution: Execution) -> None:
        async with db.unavailable_when_lost():
            await self._pool.execute(
                "UPDATE executions SET status = 'running', started_at = $2, sandbox = $3 "
                "WHERE id = $1 AND status = 'queued'",
                execution.id,
                execution.started_at,
                json.dumps(execution.sandbox),
            )

    async def append(self, execution_id: str, events: Sequence[Event]) -> None:
        async with self._transaction() as connection:
            await _insert_events(connection, execution_id, events)

    async def finish(self, execution: Execution, events: Sequence[Event]) -> None:
        async with self._transaction() as connection:
            await _finish(connection, execution, events)

    async def get(self, tenant_id: str, execution_id: str) -> Execution:
        try:
            key = uuid.UUID(execution_id)
        except ValueError:
            key = None
        row = None
        if key is not None:
            async with db.unavailable_when_lost():
                row = await self._pool.fetchrow(
                    "SELECT * FROM executions WHERE id = $1 AND tenant_id = $2", key, tenant_id
                )
        if row is None:
            raise ExecutionNotFound("execution not found")
        return _execution(row)

    async def page(
        self, tenant_id: str, after: Cursor | None, size: int, skill: str, status: Status | None
    ) -> list[Execution]:
        created_at, last_id = after or (None, None)
        async with db.unavailable_when_lost():
            rows = await self._pool.fetch(
                f"""
                SELECT {_SUMMARY} FROM executions
                WHERE tenant_id = $1
                  AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
                  AND ($4 = '' OR skill_name = $4)
                  AND ($5::text IS NULL OR status = $5)
                ORDER BY created_at DESC, id DESC LIMIT $6
                """,  # noqa: S608 - a constant of ours
                tenant_id,
                created_at,
                last_id,
                skill,
                status.value if status else None,
                size,
            )
        return [_execution(row) for row in rows]

    async def events(self, execution_id: str, after_seq: int, limit: int) -> list[Event]:
        async with db.unavailable_when_lost():
            rows = await self._pool.fetch(
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
                detail=json.loads(row["detail"]),
            )
            for row in rows
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
        async with db.unavailable_when_lost():
            await self._pool.execute("SELECT pg_notify($1, $2)", CANCEL_CHANNEL, execution_id)

    async def abandon(self, owner: str, outcome: Outcome) -> int:
        async with self._transaction() as connection:
            rows = await connection.fetch(
                "SELECT * FROM executions WHERE owner = $1 "
                "AND status IN ('queued', 'running') FOR UPDATE",
                owner,
            )
            for row in rows:
                ended = _execution(row).ended(outcome, datetime.now(UTC))
                seq = await connection.fetchval(
                    "SELECT max(seq) + 1 FROM events WHERE execution_id = $1", row["id"]
                )
                await _finish(connection, ended, [finished_event(ended, seq)])
        return len(rows)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        async with (
            db.unavailable_when_lost(),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            yield connection


async def _insert_events(connection: Any, execution_id: str, events: Sequence[Event]) -> None:
    await connection.executemany(
        "INSERT INTO events (execution_id, seq, time, kind, stream, data, detail) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        [
            (
                execution_id,
                event.seq,
                event.time,
                event.kind.value,
                event.stream,
                event.data,
                json.dumps(event.detail),
            )
            for event in events
        ],
    )
    await connection.execute("SELECT pg_notify($1, $2)", EVENT_CHANNEL, execution_id)


async def _finish(connection: Any, execution: Execution, events: Sequence[Event]) -> None:
    changed = await connection.fetchval(
        """
        UPDATE executions SET status = $2, reason = $3, error = $4, exit_code = $5,
               output_json = $6, files = $7, started_at = $8, finished_at = $9,
               duration_ms = $10, sandbox = $11
        WHERE id = $1 AND status IN ('queued', 'running') RETURNING 1
        """,
        execution.id,
        execution.status.value,
        execution.reason.value if execution.reason else None,
        execution.error,
        execution.exit_code,
        execution.output_json,
        list(execution.files),
        execution.started_at,
        execution.finished_at,
        execution.duration_ms,
        json.dumps(execution.sandbox) if execution.sandbox else None,
    )
    if changed:
        await _insert_events(connection, execution.id, events)


def _execution(row: Record) -> Execution:
    values = dict(row)
    values.pop("owner", None)
    values["id"] = str(values["id"])
    values["status"] = Status(values["status"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    if values.get("sandbox"):
        values["sandbox"] = json.loads(values["sandbox"])
    return Execution(**values)
