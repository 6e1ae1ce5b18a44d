"""The queue in Postgres: executions without an owner, oldest first, a turn for each tenant."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from skillbox_common import db
from skillbox_common.errors import IdempotencyKeyReused
from skillbox_executor.admission import Load
from skillbox_executor.domain import Outcome, Reason
from skillbox_executor.notifications import QUEUE_CHANNEL
from skillbox_executor.store import rows
from skillbox_executor.store.interface import Admitted, Assignment, NewExecution
from skillbox_executor.work import Work

# Who admits or takes holds this lock: limits and turns are counted over all replicas. Any number
# will do, as long as nobody else uses it.
_LOCK = "SELECT pg_advisory_xact_lock(1528905485)"

_INSERT = f"""
WITH created AS (
    INSERT INTO executions (
        id, tenant_id, skill_name, skill_version, status, reason, error, input_json, created_at,
        finished_at, work, idempotency_key, request_hash, owner
    )
    SELECT $1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text,
           $9::timestamptz, $10::timestamptz, $11::text, $12::text, $13::bytea, $14::text
    WHERE %s
    ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id
)
INSERT INTO events (execution_id, seq, time, kind, stream, data, detail)
SELECT created.id, e.* FROM created, {rows.unnest_events(15)} RETURNING seq
"""  # noqa: S608 - constants of ours
_RECORD = _INSERT % "true"
_NOBODY_WAITS = (
    f"NOT EXISTS (SELECT FROM executions WHERE {rows.WAITING} AND tenant_id <> ALL(%s::text[]))"
)
_HOLD = _INSERT % (_NOBODY_WAITS % "$21")

_REPEATED = """
SELECT id, request_hash, created_at < now() - $3::interval AS expired FROM executions
WHERE tenant_id = $1 AND idempotency_key = $2
"""
_LOADS = f"""
SELECT tenant_id, count(owner) AS held, count(*) - count(owner) AS waiting,
       min(created_at) FILTER (WHERE {rows.WAITING}) AS oldest
FROM executions WHERE {rows.UNFINISHED} GROUP BY tenant_id
"""  # noqa: S608 - constants of ours
_LOAD = f"""
WITH load AS ({_LOADS}), own AS (
    SELECT coalesce(sum(waiting), 0) AS waiting, coalesce(sum(held), 0) AS held
    FROM load WHERE tenant_id = $1
)
SELECT coalesce(sum(load.waiting), 0)::bigint AS waiting,
       own.waiting::bigint AS tenant_waiting,
       own.held::bigint AS tenant_held,
       count(*) FILTER (
           WHERE load.waiting > 0 AND load.tenant_id <> $1 AND load.held <= own.held
       ) AS ahead
FROM own LEFT JOIN load ON true GROUP BY own.waiting, own.held
"""  # noqa: S608 - constants of ours
_TAKE = f"""
WITH load AS ({_LOADS}), turn AS (
    SELECT tenant_id FROM load LEFT JOIN tenants ON tenants.id = tenant_id
    WHERE oldest IS NOT NULL AND ($2::bigint IS NULL OR held < $2)
      AND tenant_id <> ALL($3::text[])
    ORDER BY held, last_turn NULLS FIRST, oldest, tenant_id LIMIT 1
)
UPDATE executions SET owner = $1 WHERE id = (
    SELECT id FROM executions
    WHERE {rows.WAITING} AND tenant_id = (SELECT tenant_id FROM turn)
    ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING {rows.COLUMNS}, work, cancel_requested,
          (SELECT max(seq) FROM events WHERE execution_id = executions.id) AS last_seq
"""  # noqa: S608 - constants of ours
_TURN = """
INSERT INTO tenants (id, last_turn) VALUES ($1, nextval('turns'))
ON CONFLICT (id) DO UPDATE SET last_turn = excluded.last_turn
"""
# What is in a bucket now; a tenant that only ever had a turn has none yet.
_LEFT = """
coalesce(
    least($3, t.tokens + $2 * greatest(0, extract(epoch FROM now() - t.tokens_at))::float8), $3
)
"""
_SPEND = f"""
INSERT INTO tenants AS t (id, tokens, tokens_at) VALUES ($1, $3::float8 - 1, now())
ON CONFLICT (id) DO UPDATE SET tokens = {_LEFT} - 1, tokens_at = now()
WHERE {_LEFT} >= 1
RETURNING tokens
"""  # noqa: S608 - constants of ours

_UNREADABLE = Outcome.failed(Reason.INTERNAL, "internal error")


class PostgresQueue:
    """Implements `Queue` for one replica.

    Args:
        keep_keys_s: Seconds for which an idempotency key belongs to its execution.
    """

    def __init__(self, pool: "db.Pool", owner: str, keep_keys_s: float) -> None:
        self._pool = pool
        self._owner = owner
        self._keep_keys = timedelta(seconds=keep_keys_s)

    async def repeated(self, tenant_id: str, key: str, request_hash: bytes) -> str | None:
        async with db.unavailable_when_lost():
            row = await self._pool.fetchrow(_REPEATED, tenant_id, key, self._keep_keys)
            if row is not None and row["expired"]:
                await self._pool.execute(
                    "UPDATE executions SET idempotency_key = NULL WHERE id = $1", row["id"]
                )
                return None
        if row is None:
            return None
        if row["request_hash"] != request_hash:
            raise IdempotencyKeyReused("the idempotency key belongs to another request")
        return str(row["id"])

    async def spend_token(self, tenant_id: str, rate: float, burst: int) -> bool:
        async with db.unavailable_when_lost():
            left = await self._pool.fetchval(_SPEND, tenant_id, rate, float(burst))
        return left is not None

    async def record(self, new: NewExecution) -> bool:
        return await self._insert(self._pool, _RECORD, new, None)

    async def hold(self, new: NewExecution, sated: Collection[str]) -> bool:
        return await self._insert(self._pool, _HOLD, new, self._owner, list(sated))

    async def admit(self, new: NewExecution, decide: Callable[[Load], bool]) -> Admitted:
        async with rows.transaction(self._pool) as connection:
            await connection.execute(_LOCK)
            if new.key and await connection.fetchval(
                "SELECT true FROM executions WHERE tenant_id = $1 AND idempotency_key = $2",
                new.execution.tenant_id,
                new.key,
            ):
                return Admitted.KEY_TAKEN
            load = Load(*await connection.fetchrow(_LOAD, new.execution.tenant_id))
            held = decide(load)
            owner = self._owner if held else None
            if not await self._insert(connection, _RECORD, new, owner):
                return Admitted.KEY_TAKEN
            if held:
                return Admitted.HELD
            await connection.execute(f"SELECT pg_notify('{QUEUE_CHANNEL}', '')")
            return Admitted.WAITING

    async def anyone_waiting(self, sated: Collection[str]) -> bool:
        async with db.unavailable_when_lost():
            nobody = await self._pool.fetchval(f"SELECT {_NOBODY_WAITS % '$1'}", list(sated))
        return not nobody

    async def waiting(self) -> int:
        """Returns how many executions wait, of all tenants."""
        async with db.unavailable_when_lost():
            count: int = await self._pool.fetchval(
                f"SELECT count(*) FROM executions WHERE {rows.WAITING}"  # noqa: S608 - a constant of ours
            )
        return count

    async def take(self, tenant_ceiling: int | None, sated: Collection[str]) -> Assignment | None:
        async with rows.transaction(self._pool) as connection:
            await connection.execute(_LOCK)
            row = await connection.fetchrow(_TAKE, self._owner, tenant_ceiling, list(sated))
            if row is None:
                return None
            await connection.execute(_TURN, row["tenant_id"])
            execution = rows.execution_of(row)
            try:
                work = Work.decode(row["work"], execution.input_json)
            except ValueError:
                # Written by a revision that is not compatible with this one.
                await rows.end(connection, row, _UNREADABLE)
                return None
            return Assignment(execution, work, row["last_seq"])

    async def held(self) -> dict[str, bool]:
        async with db.unavailable_when_lost():
            found = await self._pool.fetch(
                f"SELECT id, cancel_requested FROM executions WHERE owner = $1 AND {rows.UNFINISHED}",  # noqa: E501, S608 - a constant of ours
                self._owner,
            )
        return {str(row["id"]): row["cancel_requested"] for row in found}

    async def hand_back(self, execution_id: str, outcome: Outcome) -> None:
        async with rows.transaction(self._pool) as connection:
            row = await connection.fetchrow(
                f"SELECT {rows.COLUMNS}, work, cancel_requested FROM executions "  # noqa: S608 - constants of ours
                f"WHERE id = $1 AND owner = $2 AND {rows.UNFINISHED} FOR UPDATE",
                execution_id,
                self._owner,
            )
            if row is not None:
                await rows.give_up(connection, row, outcome)

    async def _insert(
        self, connection: Any, statement: str, new: NewExecution, owner: str | None, *more: object
    ) -> bool:
        execution = new.execution
        async with db.unavailable_when_lost():
            written = await connection.fetchval(
                statement,
                execution.id,
                execution.tenant_id,
                execution.skill_name,
                execution.skill_version,
                execution.status.value,
                execution.reason.value if execution.reason else None,
                execution.error,
                execution.input_json,
                execution.created_at,
                execution.finished_at,
                new.work.encode() if new.work else None,
                new.key or None,
                new.request_hash or None,
                owner,
                *rows.event_values(new.events),
                *more,
            )
        return written is not None
