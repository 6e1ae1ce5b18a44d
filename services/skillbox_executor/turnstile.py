"""Order in a crowd."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary


class Turnstile:
    """Lets a few of each tenant through at a time, in the order in which they came.

    Of many that arrive at once each would otherwise wait for every step of all the others, and
    the first be as late as the last. It limits nothing: who has waited long enough goes through,
    for those before may be waiting for a service that does not answer.

    Args:
        places: How many of one tenant are in it at a time.
        patience_s: Seconds after which somebody no longer waits.
    """

    def __init__(self, places: int, patience_s: float) -> None:
        self._count = places
        # Each is there as long as somebody is, or waits.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._patience_s = patience_s

    @asynccontextmanager
    async def passing(self, tenant_id: str) -> AsyncIterator[None]:
        """Waits for a place, which is taken while the context is open."""
        places = self._places.setdefault(tenant_id, asyncio.Semaphore(self._count))
        taken = False
        # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                taken = await places.acquire()
        try:
            yield
        finally:
            if taken:
                places.release()
