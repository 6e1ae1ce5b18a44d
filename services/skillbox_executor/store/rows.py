"""Rows of executions and events, as every statement of this package reads and writes them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from asyncpg import Record

from skillbox_common import db
from skillbox_executor import telemetry
from skillbox_executor.domain import CANCELLED, Event, Execution, Outcome, Reason, Status
from skillbox_executor.events import finished_event
from skillbox_executor.notifications import END_CHANNEL, EVENT_CHANNEL, QUEUE_CHANNEL

UNFINISHED = "status IN ('queued', 'running')"
WAITING = "status = 'queued' AND owner IS NULL"

SUMMARY = (
    "id, tenant_id, skill_name, skill_version, status, reason, error, exit_code, duration_ms, "
    "created_at, started_at, finished_at"
)
COLUMNS = f"{SUMMARY}, input_json, output_json, files, sandbox"


def json_text(detail: Mapping[str, Any] | None) -> str | None:
    """Returns the value of a `json` column."""
    return None if detail is None else msgspec.json.encode(detail).decode()


def unnest_events(first: int) -> str:
    """Returns the rows of `event_values`, whose parameters begin with this number."""
    types = ("bigint", "timestamptz", "text", "text", "bytea", "json")
    arrays = (f"${number}::{name}[]" for number, name in enumerate(types, first))
    return f"unnest({', '.join(arrays)}) AS e (seq, time, kind, stream, data, detail)"


def event_values(events: Sequence[Event]) -> tuple[list[Any], ...]:
    """Returns events as one array for each column."""
    return (
        [event.seq for event in events],
        [event.time for event in events],
        [event.kind.value for event in events],
        [event.stream for event in events],
        [event.data for event in events],
        [json_text(event.detail) for event in events],
    )


def end_values(execution: Execution) -> tuple[Any, ...]:
    """Returns the values of `END`, from $2."""
    return (
        execution.status.value,
        execution.reason.value if execution.reason else None,
        execution.error,
        execution.exit_code,
        execution.output_json,
        list(execution.files),
        execution.started_at,
        execution.finished_at,
        execution.duration_ms,
        json_text(execution.sandbox),
    )


# Work holds the environment, which is secret: it goes as soon as nobody can need it.
END = """
    status = $2, reason = $3, error = $4, exit_code = $5, output_json = $6, files = $7,
    started_at = $8, finished_at = $9, duration_ms = $10, sandbox = $11, work = NULL
"""
FINISH = f"""
WITH ended AS (
    UPDATE executions SET {END} WHERE id = $1 AND (%s) RETURNING id
), written AS (
    INSERT INTO events (execution_id, seq, time, kind, stream, data, detail)
    SELECT ended.id, e.* FROM ended, {unnest_events(12)} ON CONFLICT DO NOTHING
)
SELECT pg_notify('{EVENT_CHANNEL}', id::text), pg_notify('{END_CHANNEL}', id::text) FROM ended
"""  # noqa: S608 - constants of ours


def execution_of(row: Record) -> Execution:
    """Reads a row with at least the columns of `SUMMARY`."""
    values = {name: row[name] for name in row.keys() if name in _FIELDS}  # noqa: SIM118 - a Record
    values["id"] = str(values["id"])
    values["status"] = Status(values["status"])
    values["reason"] = Reason(values["reason"]) if values["reason"] else None
    if values.get("sandbox"):
        values["sandbox"] = msgspec.json.decode(values["sandbox"])
    return Execution(**values)


_FIELDS = frozenset(Execution.__dataclass_fields__)


@asynccontextmanager
async def transaction(pool: "db.Pool") -> AsyncIterator[Any]:
    """Opens a transaction on a connection of the pool."""
    async with db.unavailable_when_lost(), pool.acquire() as connection, connection.transaction():
        yield connection


async def end(connection: Any, row: Record, outcome: Outcome) -> None:
    """Ends an execution whose row the transaction has locked `FOR UPDATE`."""
    ended = execution_of(row).ended(outcome, datetime.now(UTC))
    seq = await connection.fetchval(
        "SELECT max(seq) + 1 FROM events WHERE execution_id = $1", row["id"]
    )
    await connection.execute(
        FINISH % UNFINISHED,
        row["id"],
        *end_values(ended),
        *event_values([finished_event(ended, seq)]),
    )
    telemetry.count(ended)


async def give_up(connection: Any, row: Record, outcome: Outcome) -> None:
    """Takes a locked execution from its replica: it waits again, or has ended if it started."""
    if row["cancel_requested"]:
        await end(connection, row, CANCELLED)
    elif row["status"] == Status.QUEUED.value and row["work"] is not None:
        await connection.execute("UPDATE executions SET owner = NULL WHERE id = $1", row["id"])
        await connection.execute(f"SELECT pg_notify('{QUEUE_CHANNEL}', '')")
    else:
        await end(connection, row, outcome)
