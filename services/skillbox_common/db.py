"""Postgres: one pool per service, one schema per service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from skillbox_common import db_connection
from skillbox_common.config import ServiceSettings
from skillbox_common.errors import DependencyUnavailable

# Statements are short; where one takes longer, something is wrong that waiting does not mend.
_ANSWER_S = 10.0

Pool = asyncpg.Pool
Connection = asyncpg.Connection


@asynccontextmanager
async def connect(settings: ServiceSettings, schema: str) -> AsyncIterator["Pool"]:
    """Opens a pool whose connections see `schema` only.

    Connections are made when first needed, so a service starts while Postgres is still away
    and heals when it comes back.
    """

    async def expire_others(connection: "Connection") -> None:
        assert isinstance(connection, db_connection.Connection)
        connection.on_silence = pool.expire_connections

    pool = await asyncpg.create_pool(
        settings.db_dsn.get_secret_value(),
        min_size=0,
        max_size=settings.db_pool_size,
        timeout=5,
        command_timeout=_ANSWER_S,
        connection_class=db_connection.Connection,
        init=expire_others,
        reset=_reset,
        server_settings={
            "search_path": schema,
            "application_name": f"skillbox-{schema}",
            # A process that is frozen, or cut off, must not keep its locks.
            "idle_in_transaction_session_timeout": "10s",
        },
    )
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()


async def _reset(_: "Connection") -> None:
    """Leaves a connection as it is that comes back to the pool.

    Asyncpg has ended its transaction already. It would also reset the session by a statement of
    its own after each of ours; but nobody here changes a session, save for locks, which
    whoever takes them gives back.
    """


@asynccontextmanager
async def unavailable_when_lost() -> AsyncIterator[None]:
    """Turns a lost or refused connection, and a full disk, into `DependencyUnavailable`."""
    try:
        yield
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        # No room on its disk, in its memory, or for another connection.
        asyncpg.InsufficientResourcesError,
        asyncpg.IdleInTransactionSessionTimeoutError,
        asyncpg.InterfaceError,
        # What asyncpg says when the server goes away between two steps of one statement.
        asyncpg.InternalClientError,
    ) as error:
        raise DependencyUnavailable("the database does not answer") from error
