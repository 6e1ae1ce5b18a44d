"""Work that goes on beside other work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from skillbox_common.errors import DependencyUnavailable

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` while the context is open; cancels it at the end and waits until it is gone."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def repeatedly(step: Callable[[], Awaitable[None]], every_s: float, name: str) -> None:
    """Takes a step from time to time, forever. One that fails is logged and tried again later.

    Args:
        name: What the step does, for the log.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            await step()
        except DependencyUnavailable as error:
            _log.warning("put off", what=name, error=error.message)
        except Exception:
            _log.exception("failed", what=name)
