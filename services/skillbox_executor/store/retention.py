"""What is old enough to be moved or forgotten, in Postgres."""

from skillbox_common import db
from skillbox_executor.domain import Execution
from skillbox_executor.store import rows

_ENDED = f"""
SELECT {rows.SUMMARY} FROM executions
WHERE finished_at < now() - make_interval(secs => $1) %s
ORDER BY finished_at LIMIT $2
"""  # noqa: S608 - constants of ours
_SET_MOVED = """
WITH moved AS (UPDATE executions SET events_moved = true WHERE id = $1 RETURNING id)
DELETE FROM events USING moved WHERE execution_id = moved.id
"""


class PostgresRetention:
    """Implements `Retention`."""

    def __init__(self, pool: "db.Pool") -> None:
        self._pool = pool

    async def to_move(self, age_s: float, limit: int) -> list[Execution]:
        return await self._ended("AND NOT events_moved", age_s, limit)

    async def ended_before(self, age_s: float, limit: int) -> list[Execution]:
        return await self._ended("", age_s, limit)

    async def moved(self, execution_id: str) -> str | None:
        async with db.unavailable_when_lost():
            tenant_id: str | None = await self._pool.fetchval(
                "SELECT tenant_id FROM executions WHERE id = $1 AND events_moved", execution_id
            )
        return tenant_id

    async def set_moved(self, execution_id: str) -> None:
        async with db.unavailable_when_lost():
            await self._pool.execute(_SET_MOVED, execution_id)

    async def forget(self, execution_id: str) -> None:
        async with db.unavailable_when_lost():
            await self._pool.execute("DELETE FROM executions WHERE id = $1", execution_id)

    async def _ended(self, condition: str, age_s: float, limit: int) -> list[Execution]:
        async with db.unavailable_when_lost():
            found = await self._pool.fetch(_ENDED % condition, age_s, limit)
        return [rows.execution_of(row) for row in found]
