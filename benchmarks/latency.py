"""One run at a time, everything interleaved: what a single caller waits for."""

from contextlib import AsyncExitStack, ExitStack

from benchmarks import load, raw
from benchmarks.cases import Case
from benchmarks.goals import BUBBLEWRAP, DOCKER, GVISOR, LATENCY, RAW, skillbox
from benchmarks.peer import llm_sandbox
from benchmarks.suite import Suite, started

_PAUSE_S = 0.5
_STAGGER_S = 0.25


async def sequential(suite: Suite) -> None:
    """Every way to do the work, cold and warm."""
    cases: dict[str, Case] = {}
    async with AsyncExitStack() as stack:
        if DOCKER in suite.live and suite.docker is not None:
            cases |= {RAW: raw.docker_run, "engine API": raw.engine_api(suite.docker)}
            _with_peer(suite, cases, stack.enter_context(ExitStack()))
        if GVISOR in suite.live and suite.docker is not None:
            cases["engine API, runsc"] = raw.engine_api(suite.docker, "runsc")
        if BUBBLEWRAP in suite.live:
            cases["bwrap python"] = raw.bwrap_python
        for engine, live in suite.live.items():
            cold = await stack.enter_async_context(started(engine, SKILLBOX_POOL_SIZE="0"))
            cases |= {
                skillbox(engine, "REST cold"): cold.calls.rest(),
                skillbox(engine, "gRPC cold"): cold.calls.native(),
                skillbox(engine, "REST warm"): live.calls.rest(),
                skillbox(engine, "gRPC warm"): live.calls.native(),
            }
        rows = {name: suite.results.row(LATENCY, name) for name in cases}
        await load.interleaved(cases, rows, suite.amount(40, 5), _PAUSE_S)


def _with_peer(suite: Suite, cases: dict[str, Case], stack: ExitStack) -> None:
    try:
        cases |= stack.enter_context(llm_sandbox(pool_size=4))
    except Exception as error:
        note = f"cannot run here: {type(error).__name__}: {error}"[:200]
        suite.results.row(LATENCY, "llm-sandbox").note = note


async def languages(suite: Suite) -> None:
    """The other languages, warm."""
    cases = {
        skillbox(engine, language): live.calls.rest(f"bench-{language}")
        for engine, live in suite.live.items()
        if engine != GVISOR
        for language in ("node", "bash")
    }
    rows = {name: suite.results.row("other languages, warm", name) for name in cases}
    await load.interleaved(cases, rows, suite.amount(20, 3), _PAUSE_S)


async def staggered(suite: Suite) -> None:
    """A new run every quarter of a second, whatever the others do."""
    for engine, live in suite.live.items():
        row = suite.results.row("staggered", skillbox(engine, "REST"))
        await load.staggered(live.calls.rest(), row, suite.amount(60, 8), _STAGGER_S)
