"""Measures everything in one run: `make bench`, or `make bench ARGS=--quick` for some of it.

Prints a table for each scenario and writes all samples to .build/bench/results.json, from which
`python -m benchmarks.report` makes the figures of docs/PERFORMANCE.md.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import boxes, control, latency, log_lines, phases, processor, throughput
from benchmarks.goals import BUBBLEWRAP, DOCKER
from benchmarks.report import RESULTS, show
from benchmarks.stats import Results
from benchmarks.suite import ENGINES, Suite, suite

SCENARIOS: dict[str, Callable[[Suite], Awaitable[None]]] = {
    "latency": latency.sequential,
    "languages": latency.languages,
    "staggered": latency.staggered,
    "logs": log_lines.latency,
    "idle": boxes.idle,
    "phases": phases.warm,
    "cpu": processor.by_role,
    "burst": throughput.burst,
    "throughput": throughput.sustained,
    "contract": control.contract,
    "uploads": control.uploads,
    "control": control.control_plane,  # last: it leaves ten thousand skills behind
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, two engines")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--engines", nargs="+", choices=ENGINES)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the samples go")
    arguments = parser.parse_args()
    default = [DOCKER, BUBBLEWRAP] if arguments.quick else list(ENGINES)
    arguments.engines = arguments.engines or default
    return arguments


async def measure(engines: Sequence[str], names: Sequence[str], quick: bool) -> Results:
    """Runs the scenarios on stacks that all run side by side."""
    results = Results(
        {
            "when": datetime.now(UTC).date().isoformat(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "arguments": f" ARGS='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else "",
            "seconds": {},
        }
    )
    async with suite(list(engines), quick, results) as made:
        for name in names:
            print(f"measuring {name} …", file=sys.stderr)
            began = time.perf_counter()
            await SCENARIOS[name](made)
            results.about["seconds"][name] = round(time.perf_counter() - began)
    return results


def main() -> None:
    arguments = _arguments()
    results = asyncio.run(measure(arguments.engines, arguments.only, arguments.quick))
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    arguments.results.write_text(json.dumps(results.as_json()))
    show(results)
    print("\nSeconds taken:", results.about["seconds"])


if __name__ == "__main__":
    main()
