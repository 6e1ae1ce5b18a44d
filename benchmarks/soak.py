"""Many runs in a row: every one is accounted for, no box is left, no service grows.

python -m benchmarks.soak                                   both engines
python -m benchmarks.soak --engines docker/runc --runs 3000

A service is flat when at the end it has at most 4 MiB more than after a quarter of the runs, when
caches are full and allocators have found their size. Both are medians of three samples, as
garbage comes and goes. Ends with 1 when anything is not as it should be.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from benchmarks import load, usage
from benchmarks.cases import Case, SkillboxCalls
from benchmarks.goals import BUBBLEWRAP, DOCKER
from benchmarks.stats import Row
from benchmarks.suite import DOCKER_HOST, ENGINES, started
from skillbox_executor.sandbox.docker_body import owner_filter
from skillbox_executor.sandbox.docker_engine import connect

RESULTS = Path(".build/bench/soak.json")
_RUNS = {BUBBLEWRAP: 10_000, DOCKER: 1_000}
_SAMPLES = 20
_GROWTH_MIB = 4.0
_SETTLE_S = 15.0
_AT_ONCE = 32

Memory = Sequence[dict[str, float]]
"""MiB of each service: before the first run, then from time to time, then when all is calm."""


async def soak(engine: str, runs: int, clients: int) -> dict[str, Any]:
    """Returns what there is to know after all runs."""
    async with started(engine) as live:
        row, memory = Row(), [usage.memory(live.stack)]
        numbers, case = iter(range(runs)), live.calls.rest()
        began = time.perf_counter()
        # Services open as many connections as they ever needed at once, and each costs Postgres
        # 2 to 4 MiB. So they need many at the start, not at some time later.
        first = [islice(numbers, 1) for _ in range(_AT_ONCE)]
        await asyncio.gather(*(_client(case, row, each) for each in first))
        work = [asyncio.create_task(_client(case, row, numbers)) for _ in range(clients)]
        while not all(task.done() for task in work):
            await asyncio.sleep(0.1)
            if len(row.ms) + len(row.failures) >= len(memory) * runs / _SAMPLES:
                memory.append(usage.memory(live.stack))
                print(f"{engine}, {len(row.ms)} runs, {_rounded(memory[-1])}", file=sys.stderr)
        await asyncio.gather(*work)
        seconds = time.perf_counter() - began
        recorded = await _recorded(live.calls)
        await asyncio.sleep(_SETTLE_S)
        memory.append(usage.memory(live.stack))
    return {
        "engine": engine,
        "runs": runs,
        "runs/s": len(row.ms) / seconds,
        "succeeded": len(row.ms),
        "failures": row.failures[:5],
        "recorded": recorded,
        "p50 ms": row.figures().get("p50"),
        "p99 ms": row.figures().get("p99"),
        "boxes left": await _boxes(engine, live.stack.owner),
        "memory MiB": memory,
    }


def problems(found: dict[str, Any]) -> list[str]:
    """Says what is not as it should be."""
    runs, memory = found["runs"], found["memory MiB"]
    faults = []
    if found["succeeded"] != runs:
        faults.append(f"{runs - found['succeeded']} runs failed: {found['failures']}")
    if found["recorded"] != {"success": runs}:
        faults.append(f"recorded are {found['recorded']}, not {runs} successes")
    if found["boxes left"] > 0:
        faults.append(f"{found['boxes left']} boxes are left")
    quarter, end = settled(memory)
    faults += [
        f"{name} grew from {quarter[name]:.1f} to {size:.1f} MiB"
        for name, size in end.items()
        if size > quarter[name] + _GROWTH_MIB
    ]
    return faults


def settled(memory: Memory) -> tuple[dict[str, float], dict[str, float]]:
    """Returns what each service has after a quarter of the runs, and at the end."""
    quarter = max(1, len(memory) // 4)

    def middle(samples: Memory) -> dict[str, float]:
        return {name: statistics.median(sample[name] for sample in samples) for name in samples[0]}

    return middle(memory[quarter - 1 : quarter + 2]), middle(memory[-3:])


def report(found: dict[str, Any]) -> str:
    """Returns the verdict with its figures."""
    quarter, end = settled(found["memory MiB"])
    lines = [
        f"{found['engine']}: {found['runs']} runs, {found['succeeded']} succeeded, "
        f"recorded {found['recorded']}, {found['boxes left']} boxes left, "
        f"{found['runs/s']:.1f} runs/s, p50 {found['p50 ms'] or 0:.0f} ms, "
        f"p99 {found['p99 ms'] or 0:.0f} ms",
        f"{'MiB':14}{'start':>8}{'25 %':>8}{'end':>8}{'more':>8}",
    ]
    for name, start in found["memory MiB"][0].items():
        sizes = (start, quarter[name], end[name], end[name] - quarter[name])
        lines.append(f"{name:14}" + "".join(f"{size:8.1f}" for size in sizes))
    faults = problems(found)
    lines += [f"NOT OK: {each}" for each in faults]
    return "\n".join(lines if faults else [*lines, "ok"])


async def _client(case: Case, row: Row, numbers: Iterator[int]) -> None:
    for _ in numbers:
        await load.once(case, row)


async def _recorded(calls: SkillboxCalls) -> dict[str, int]:
    """Counts all executions of the stack by their status."""
    counts: Counter[str] = Counter()
    token = ""
    while True:
        query = {"page_size": "500", **({"page_token": token} if token else {})}
        async with calls.http.get("/v1/executions", params=query) as reply:
            page = await reply.json()
        counts.update(each["status"] for each in page["executions"])
        token = page.get("next_page_token", "")
        if not token:
            return dict(counts)


async def _boxes(engine: str, owner: str) -> int:
    """Counts the boxes that an Executor has left on this machine."""
    if engine == BUBBLEWRAP:
        count = 0
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                count += process.environ().get("SKILLBOX_BOX", "").startswith(f"{owner}/")
        return count
    async with connect(DOCKER_HOST) as docker:
        return len(await docker.containers.list(all=True, filters=owner_filter(owner)))


def _rounded(sizes: dict[str, float]) -> dict[str, float]:
    return {name: round(size, 1) for name, size in sizes.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(_RUNS))
    parser.add_argument("--runs", type=int, help="of each engine, instead of its own number")
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    found = []
    for engine in arguments.engines:
        runs = arguments.runs or _RUNS.get(engine, 1_000)
        found.append(asyncio.run(soak(engine, runs, arguments.clients)))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found))
    print("\n\n".join(report(each) for each in found))
    sys.exit(any(problems(each) for each in found))


if __name__ == "__main__":
    main()
