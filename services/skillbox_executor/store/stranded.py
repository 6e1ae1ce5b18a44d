"""Executions that no replica can run, because no engine can be reached."""

from datetime import timedelta

from skillbox_common import db
from skillbox_executor.domain import Outcome
from skillbox_executor.store import rows

# Nothing runs anywhere, and nothing that ran has ended lately. So it is not our engine alone.
_STANDSTILL = """
SELECT NOT EXISTS (
    SELECT FROM executions
    WHERE status = 'running' OR started_at IS NOT NULL AND finished_at > now() - $1::interval
)
"""
_WAITING = f"SELECT {rows.COLUMNS} FROM executions WHERE {rows.WAITING} FOR UPDATE SKIP LOCKED"  # noqa: S608 - constants of ours


class PostgresStranded:
    """Implements `StrandedStore`."""

    def __init__(self, pool: "db.Pool") -> None:
        self._pool = pool

    async def end(self, standstill_s: float, outcome: Outcome) -> int:
        async with rows.transaction(self._pool) as connection:
            if not await connection.fetchval(_STANDSTILL, timedelta(seconds=standstill_s)):
                return 0
            waiting = await connection.fetch(_WAITING)
            for row in waiting:
                await rows.end(connection, row, outcome)
            return len(waiting)
