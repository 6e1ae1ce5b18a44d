"""Replicas in Postgres."""

from collections.abc import Collection

from skillbox_common import db
from skillbox_executor.domain import Outcome
from skillbox_executor.store import rows

_BEAT = """
INSERT INTO replicas (id, beat, beaten_at) VALUES ($1, 1, now())
ON CONFLICT (id) DO UPDATE SET beat = replicas.beat + 1, beaten_at = now()
"""
_OTHERS = f"""
SELECT coalesce(replicas.id, holder.owner) AS id, replicas.beat FROM (
    SELECT DISTINCT owner FROM executions WHERE {rows.UNFINISHED} AND owner IS NOT NULL
) AS holder FULL JOIN replicas ON replicas.id = holder.owner
WHERE coalesce(replicas.id, holder.owner) <> $1
"""  # noqa: S608 - constants of ours
_HELD = f"""
SELECT {rows.COLUMNS}, work, cancel_requested FROM executions
WHERE owner = $1 AND {rows.UNFINISHED} AND id <> ALL ($2::uuid[]) FOR UPDATE
"""  # noqa: S608 - constants of ours

# They died when nobody was there to take over from them.
_FORGET = "DELETE FROM replicas WHERE beaten_at < now() - interval '1 day'"


class PostgresReplicas:
    """Implements `ReplicaStore` for one replica."""

    def __init__(self, pool: "db.Pool", owner: str) -> None:
        self._pool = pool
        self._owner = owner

    async def beat(self) -> None:
        async with db.unavailable_when_lost():
            await self._pool.execute(_BEAT, self._owner)

    async def leave(self) -> None:
        async with db.unavailable_when_lost():
            await self._pool.execute("DELETE FROM replicas WHERE id = $1", self._owner)

    async def others(self) -> dict[str, int | None]:
        async with db.unavailable_when_lost():
            found = await self._pool.fetch(_OTHERS, self._owner)
        return {row["id"]: row["beat"] for row in found}

    async def take_over(self, replica_id: str, beat: int | None, outcome: Outcome) -> int | None:
        async with rows.transaction(self._pool) as connection:
            found = await connection.fetchrow(
                "SELECT beat FROM replicas WHERE id = $1 FOR UPDATE", replica_id
            )
            if (found["beat"] if found else None) != beat:
                return None
            await connection.execute("DELETE FROM replicas WHERE id = $1", replica_id)
            return await _give_up_all(connection, replica_id, (), outcome)

    async def clean_up(self, held: Collection[str], outcome: Outcome) -> int:
        async with rows.transaction(self._pool) as connection:
            await connection.execute(_FORGET)
            return await _give_up_all(connection, self._owner, held, outcome)


async def _give_up_all(
    connection: "db.Connection", owner: str, kept: Collection[str], outcome: Outcome
) -> int:
    found = await connection.fetch(_HELD, owner, list(kept))
    for row in found:
        await rows.give_up(connection, row, outcome)
    return len(found)
