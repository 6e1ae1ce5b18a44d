"""A connection to Postgres that does not wait for a server which has vanished."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

_CLOSE_S = 2.0
_T = TypeVar("_T")


async def _nobody() -> None: ...


class Connection(asyncpg.Connection):
    """Ends with a statement that is not answered in time.

    Asyncpg would ask the server to cancel the statement, and wait on the same connection for its
    consent. But when a network forgets a connection, neither side hears of it.

    Attributes:
        on_silence: Told of it: other connections to the server may have gone the same way.
    """

    on_silence: Callable[[], Awaitable[None]] = staticmethod(_nobody)

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        return await self._answered(super().execute(*args, **kwargs))

    async def fetch(self, *args: Any, **kwargs: Any) -> Any:
        return await self._answered(super().fetch(*args, **kwargs))

    async def fetchrow(self, *args: Any, **kwargs: Any) -> Any:
        return await self._answered(super().fetchrow(*args, **kwargs))

    async def fetchval(self, *args: Any, **kwargs: Any) -> Any:
        return await self._answered(super().fetchval(*args, **kwargs))

    async def close(self, *, timeout: float | None = None) -> None:
        await super().close(timeout=timeout or _CLOSE_S)

    async def _answered(self, statement: Awaitable[_T]) -> _T:
        try:
            return await statement
        except TimeoutError:
            self.terminate()
            await self.on_silence()
            raise
