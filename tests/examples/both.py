"""Both Python clients behind one face, for tests that want the same from each."""

import asyncio
import inspect
from typing import Any

from skillbox import Client
from skillbox.aio import AsyncClient


class Both:
    """Calls either client in the same way."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self._client = client

    async def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Returns a result, or everything that a stream yields."""
        call = getattr(self._client, method)
        if isinstance(self._client, Client):
            return await asyncio.to_thread(lambda: _collect(call(*args, **kwargs)))
        found = call(*args, **kwargs)
        if inspect.isasyncgen(found):
            return [item async for item in found]
        return await found


def _collect(value: Any) -> Any:
    return list(value) if inspect.isgenerator(value) else value
