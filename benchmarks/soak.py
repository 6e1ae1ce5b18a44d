"""Many runs in a row: every one is accounted for, no box is left, no service grows.

python -m benchmarks.soak --engine bubblewrap --runs 10000
python -m benchmarks.soak --engine docker/runc --runs 1000
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks import load
from benchmarks.cases import Case, SkillboxCalls
from benchmarks.goals import BUBBLEWRAP, DOCKER
from benchmarks.stats import Row
from benchmarks.suite import DOCKER_HOST, ENGINES, Live, started
from skillbox_executor.sandbox.docker_body import owner_filter
from skillbox_executor.sandbox.docker_engine import connect

_CLIENTS = 4
_SAMPLES = 20
_WARM_UP = 0.25
"""Of the runs: caches fill, allocators find their size."""
_GROWTH = 1.15
"""What a service may have at the end, of what it had after the warm-up."""
_SETTLE_S = 15.0


async def soak(engine: str, runs: int) -> dict[str, Any]:
    """Returns what there is to know after all runs."""
    async with started(engine) as live:
        row, memory = Row(), [_memory(live)]
        numbers = iter(range(runs))
        began = time.perf_counter()
        work = [
            asyncio.create_task(_client(live.calls.rest(), row, numbers)) for _ in range(_CLIENTS)
        ]
        while not all(task.done() for task in work):
            await asyncio.sleep(0.1)
            if len(row.ms) + len(row.failures) >= len(memory) * runs / _SAMPLES:
                memory.append(_memory(live))
                print(f"{len(row.ms)} runs, {memory[-1]}", file=sys.stderr)
        await asyncio.gather(*work)
        seconds = time.perf_counter() - began
        recorded = await _recorded(live.calls)
        await asyncio.sleep(_SETTLE_S)
        memory.append(_memory(live))
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
    settled = memory[max(1, int(len(memory) * _WARM_UP))]
    for name, size in memory[-1].items():
        if size > settled[name] * _GROWTH:
            faults.append(f"{name} grew from {settled[name]:.0f} to {size:.0f} MiB")
    return faults


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


def _memory(live: Live) -> dict[str, float]:
    """Returns what each service has allocated: not files, whose pages others may share or not."""
    return {name: _anonymous(pid) for name, pid in live.stack.pids.items()}


def _anonymous(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, value, *_ = line.split()
        if name == "Anonymous:":
            return int(value) / 1024
    raise ValueError(f"process {pid} has no figure of its anonymous memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default=BUBBLEWRAP)
    parser.add_argument("--runs", type=int)
    arguments = parser.parse_args()
    runs = arguments.runs or (1000 if arguments.engine == DOCKER else 10_000)
    found = asyncio.run(soak(arguments.engine, runs))
    path = Path(f".build/bench/soak-{arguments.engine.replace('/', '-')}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    shown = {
        **found,
        "memory MiB": {"first": found["memory MiB"][0], "last": found["memory MiB"][-1]},
    }
    print(json.dumps(shown, indent=2))
    faults = problems(found)
    print("\n".join(faults) or "Every run is accounted for, no box is left, no service grew.")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
