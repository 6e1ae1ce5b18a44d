"""Draws the two pictures of docs/PERFORMANCE.md."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.goals import LATENCY, THROUGHPUT
from benchmarks.stats import Results

# Without a date and random ids, so that the same results make the same file.
mpl.rcParams["svg.hashsalt"] = "skillbox"
_METADATA = {"Date": None, "Creator": None}


def draw(results: Results, folder: Path) -> None:
    """Writes `latency.svg` and `throughput.svg`."""
    folder.mkdir(exist_ok=True)
    _latency(results, folder / "latency.svg")
    _throughput(results, folder / "throughput.svg")


def _latency(results: Results, path: Path) -> None:
    rows = {name: row for name, row in results.scenarios.get(LATENCY, {}).items() if row.ms}
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(rows) + 1.2), layout="constrained")
    axes.boxplot(
        [row.ms for row in reversed(rows.values())],
        orientation="horizontal",
        whis=(1, 99),
        showfliers=False,
        tick_labels=list(reversed(rows)),
    )
    axes.set_xscale("log")
    axes.set_xlabel("ms for one run (log); box: quartiles, whiskers: p1 and p99")
    axes.grid(axis="x", which="both", alpha=0.3)
    figure.savefig(path, metadata=_METADATA)
    plt.close(figure)


def _throughput(results: Results, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
    for name, row in results.scenarios.get(THROUGHPUT, {}).items():
        points = {
            int(key.removeprefix("at ")): rate
            for key, rate in row.values.items()
            if key.startswith("at ")
        }
        axes.plot(list(points), list(points.values()), marker="o", label=name)
    axes.set_xscale("log", base=2)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("clients")
    axes.set_ylabel("runs per second")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, metadata=_METADATA)
    plt.close(figure)
