"""Many runs at a time: the best rate, and a hundred at once."""

import asyncio
import time

from benchmarks import load, raw
from benchmarks.cases import Case
from benchmarks.goals import (
    BUBBLEWRAP,
    BURST,
    DOCKER,
    NEW_CONNECTIONS,
    THROUGHPUT,
    skillbox,
)
from benchmarks.stats import Row
from benchmarks.suite import Suite

_CLIENTS = (1, 2, 4, 8, 16)
_BURST = 100
_SETTLE_S = 3.0


def cases(suite: Suite) -> dict[str, Case]:
    """Returns what is put under load, by name."""
    found: dict[str, Case] = {}
    if DOCKER in suite.live and suite.docker is not None:
        found["engine API"] = raw.engine_api(suite.docker)
    if BUBBLEWRAP in suite.live:
        found["bwrap python"] = raw.bwrap_python
    return found | {
        skillbox(engine, "REST"): live.calls.rest() for engine, live in suite.live.items()
    }


async def sustained(suite: Suite) -> None:
    """Clients in a loop, each number of them in turn for every case."""
    ways = cases(suite)
    for clients in _CLIENTS:
        for name, case in ways.items():
            row = Row()
            rate = await load.sustained(case, row, clients, suite.amount(8, 1))
            total = suite.results.row(THROUGHPUT, name)
            total.ms += row.ms
            total.failures += row.failures
            total.warm += row.warm
            total.values[f"at {clients}"] = rate
            total.values["runs/s"] = max(rate, total.values.get("runs/s", 0.0))
            await asyncio.sleep(_SETTLE_S)


async def burst(suite: Suite) -> None:
    """A hundred runs at once. All are to succeed; those for whom a box waits at once.

    The second time over the connections of the first, as in all other scenarios: to open a hundred
    takes client and gateway longer than a warm run.
    """
    for engine, live in suite.live.items():
        case = live.calls.rest()
        for how in (NEW_CONNECTIONS, "REST"):
            await load.staggered(case, Row(), live.stack.pool_profile_size, 0.2)  # shows the demand
            await asyncio.sleep(_SETTLE_S)
            row = suite.results.row(BURST, skillbox(engine, how))
            started = time.perf_counter()
            await load.burst(case, row, _BURST)
            row.values["runs/s"] = len(row.ms) / (time.perf_counter() - started)
            if len(row.ms) >= live.stack.pool_profile_size:
                row.values["first ms"] = sorted(row.ms)[live.stack.pool_profile_size - 1]
            await asyncio.sleep(_SETTLE_S)
