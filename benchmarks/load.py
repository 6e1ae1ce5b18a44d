"""Shapes of load: what is run when."""

import asyncio
import random
import time
from collections.abc import Mapping

from benchmarks.cases import Case
from benchmarks.stats import Row


async def once(case: Case, row: Row) -> None:
    """Runs a case and writes down how it went."""
    started = time.perf_counter()
    try:
        start = await case()
    except Exception as error:
        row.failures.append(f"{type(error).__name__}: {error}"[:300])
        return
    row.ms.append((time.perf_counter() - started) * 1000)
    row.warm += start == "warm"


async def interleaved(
    cases: Mapping[str, Case], rows: Mapping[str, Row], rounds: int, pause: float
) -> None:
    """Runs all cases one after the other, again and again, each time in another order.

    So none of them always comes after the one that leaves the most work behind.

    Args:
        pause: Seconds after each run, in which a pool refills, as between callers.
    """
    for case in cases.values():  # fills the caches, and says what a profile's demand is
        await once(case, Row())
        await asyncio.sleep(pause)
    order, random_ = list(cases), random.Random(1)
    for _ in range(rounds):
        random_.shuffle(order)
        for name in order:
            await once(cases[name], rows[name])
            await asyncio.sleep(pause)


async def staggered(case: Case, row: Row, runs: int, interval: float) -> None:
    """Starts a run every `interval` seconds, whether the ones before have ended or not."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(runs):
            tasks.create_task(once(case, row))
            await asyncio.sleep(interval)


async def burst(case: Case, row: Row, runs: int) -> None:
    """Starts all runs at once."""
    await asyncio.gather(*(once(case, row) for _ in range(runs)))


async def sustained(case: Case, row: Row, clients: int, seconds: float) -> float:
    """Lets clients run one after the other for a time. Returns the runs per second."""
    started = time.perf_counter()
    end = started + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            await once(case, row)

    await asyncio.gather(*(client() for _ in range(clients)))
    return len(row.ms) / (time.perf_counter() - started)
