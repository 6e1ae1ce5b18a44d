"""Waiting for what happens in other processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(ask: Callable[[], Awaitable[T]], seconds: float = 30) -> T:
    """Asks until the answer is true; returns it."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} seconds"
        await asyncio.sleep(0.05)
    return answer
