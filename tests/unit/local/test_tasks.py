import asyncio
import os
import signal

import pytest

from skillbox_local.tasks import StopSignals, race


async def test_race_ends_with_the_first_and_cancels_the_rest() -> None:
    cancelled = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    await race(asyncio.sleep(0), slow())
    assert cancelled.is_set()


async def test_race_raises_what_the_first_raises() -> None:
    async def fails() -> None:
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        await race(fails(), asyncio.sleep(60))


async def test_first_signal_asks_and_second_forces() -> None:
    asked: list[str] = []
    with StopSignals(lambda: asked.append("asked")) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.requested.wait(), 20)
        assert not stop.forced.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stop.forced.wait(), 20)
    assert asked == ["asked"]
