"""Processor time of a run, and who takes it."""

import asyncio
import os
import time

from benchmarks import load, usage
from benchmarks.goals import PROCESSOR, skillbox
from benchmarks.stats import Row
from benchmarks.suite import Live, Suite
from benchmarks.throughput import cases

_CLIENTS = (1, 8)
_SETTLE_S = 3.0
_REST = "boxes and engine"
"""What is left of the whole machine: boxes, engine, kernel threads, and what else runs."""


async def by_role(suite: Suite) -> None:
    """Milliseconds of a run in each process of a stack, by one client and by many.

    A single client finds its box waiting mostly; many have to wait for theirs to start.
    """
    seconds = suite.amount(6, 2)
    before = usage.busy()
    await asyncio.sleep(seconds)
    idle = (usage.busy() - before) / seconds
    stacks = {skillbox(engine, "REST"): live for engine, live in suite.live.items()}
    for clients in _CLIENTS:
        for name, case in cases(suite).items():
            row = Row()
            roles, started = _roles(stacks.get(name)), time.perf_counter()
            await load.sustained(case, row, clients, seconds)
            await asyncio.sleep(_SETTLE_S)  # what is torn down in the background counts too
            after = _roles(stacks.get(name))
            spent = {role: now - roles[role] for role, now in after.items()}
            whole = spent.pop("")
            whole -= idle * (time.perf_counter() - started)
            values = suite.results.row(PROCESSOR, f"{name}, at {clients}").values
            values |= {"all": whole, _REST: whole - sum(spent.values()), **spent}
            for role in values:
                values[role] *= 1000 / max(1, len(row.ms))
            values["runs"] = len(row.ms)


def _roles(live: Live | None) -> dict[str, float]:
    """Returns seconds of processor time so far, those of the whole machine without a name."""
    own = os.times()
    roles = {"": usage.busy(), "client": own.user + own.system}
    return roles | (usage.processor(live.stack) if live else {})
