"""What traces and metrics cost a run: the same stack without and with them, interleaved.

The collector that receives them runs in this process, on the same cores.
"""

import argparse
import time

import httpx

from benchmarks.stack import KEY, Running, running
from benchmarks.stats import percentile
from tests.telemetry.collector import collector


def run(client: httpx.Client) -> float:
    """Returns the milliseconds of one run."""
    started = time.perf_counter()
    reply = client.post("/v1/executions", json={"skill": "bench", "input": [1, 2, 3]})
    assert reply.json()["output"] == {"sum": 6}, reply.text
    return (time.perf_counter() - started) * 1000


def measure(stacks: dict[str, Running], rounds: int, pause: float) -> dict[str, list[float]]:
    headers = {"Authorization": f"Bearer {KEY}"}
    clients = {
        name: httpx.Client(base_url=stack.url, headers=headers, timeout=30, trust_env=False)
        for name, stack in stacks.items()
    }
    times: dict[str, list[float]] = {name: [] for name in stacks}
    for number in range(rounds + 3):
        for name, client in clients.items():
            elapsed = run(client)
            if number >= 3:  # the first rounds fill caches and pools
                times[name].append(elapsed)
            time.sleep(pause)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.15, help="seconds between runs")
    parser.add_argument("--sandbox", default="bubblewrap")
    arguments = parser.parse_args()
    with collector() as received:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{received.address}"}
        with (
            running(arguments.sandbox) as off,
            running(arguments.sandbox, **traced) as on,
        ):
            times = measure({"off": off, "on": on}, arguments.rounds, arguments.pause)
        assert received.spans, "nothing was traced"
    print(f"{'':6}{'p50 ms':>8}{'ratio':>8}{'p95 ms':>8}{'ratio':>8}")
    for name, values in times.items():
        cells = ""
        for percent in (50, 95):
            value, base = percentile(values, percent), percentile(times["off"], percent)
            cells += f"{value:8.1f}{value / base:8.3f}"
        print(f"{name:6}{cells}")


if __name__ == "__main__":
    main()
