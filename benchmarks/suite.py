"""What the scenarios share: the stacks that run side by side, and the results."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiodocker import Docker

from benchmarks.cases import SkillboxCalls, calls
from benchmarks.goals import BUBBLEWRAP, DOCKER, GVISOR
from benchmarks.stack import Running, running
from benchmarks.stats import Results
from skillbox_executor.sandbox.docker_engine import connect

DOCKER_HOST = (
    os.environ.get("SKILLBOX_DOCKER_HOST")
    or os.environ.get("DOCKER_HOST")
    or "unix:///var/run/docker.sock"
)
ENGINES = {
    DOCKER: ("docker", {}),
    GVISOR: ("docker", {"SKILLBOX_OCI_RUNTIME": "runsc"}),
    BUBBLEWRAP: ("bubblewrap", {}),
}
"""What `skillbox up` is told for each engine."""


@dataclass(frozen=True)
class Live:
    """A running stack and the calls to it."""

    stack: Running
    calls: SkillboxCalls


@dataclass
class Suite:
    """One run of the benchmarks.

    Attributes:
        quick: Take a minute, not twenty: few rounds, little load.
        live: The stacks by engine.
        docker: The engine itself; `None` when only bubblewrap is measured.
    """

    quick: bool
    results: Results
    live: dict[str, Live] = field(default_factory=dict)
    docker: Docker | None = None

    def amount(self, full: int, quick: int) -> int:
        return quick if self.quick else full


@asynccontextmanager
async def started(engine: str, **settings: str) -> AsyncIterator[Live]:
    """Runs a stack on an engine."""
    sandbox, own = ENGINES[engine]
    starting = running(sandbox, **own, **settings)
    stack = await asyncio.to_thread(starting.__enter__)
    try:
        async with calls(stack) as made:
            yield Live(stack, made)
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


@asynccontextmanager
async def suite(engines: list[str], quick: bool, results: Results) -> AsyncIterator[Suite]:
    """Starts everything; nothing is left at the end."""
    made = Suite(quick, results)
    async with AsyncExitStack() as stack:
        if any(engine != BUBBLEWRAP for engine in engines):
            made.docker = await stack.enter_async_context(connect(DOCKER_HOST))
        for engine in engines:
            made.live[engine] = await stack.enter_async_context(started(engine))
        yield made
