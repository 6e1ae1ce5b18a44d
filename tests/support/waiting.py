"""Waiting for what no event tells."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Returns when a condition holds.

    Raises:
        TimeoutError: It does not come to hold in time.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what makes it true has no event
            await asyncio.sleep(0.01)
