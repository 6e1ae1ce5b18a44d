"""Shows results: tables on a terminal, and a page with plots in docs/.

python -m benchmarks.report     writes docs/PERFORMANCE.md anew between its two markers
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.goals import GOALS, goals_of
from benchmarks.stats import Results, Row

RESULTS = Path(".build/bench/results.json")
_PAGE = Path("docs/PERFORMANCE.md")
_BEGIN, _END = "<!-- figures: python -m benchmarks.report -->", "<!-- end of figures -->"


def table(results: Results, scenario: str, rows: dict[str, Row]) -> list[list[str]]:
    """Returns a heading and a line for each case, with its goals in the last cell."""
    figures = {case: row.figures() for case, row in rows.items()}
    names = list(dict.fromkeys(name for each in figures.values() for name in each))
    lines = [[scenario, *names, "goal"]]
    for case, row in rows.items():
        cells = [_number(figures[case].get(name)) for name in names]
        goals = [goal.text(results) for goal in goals_of(scenario, case)]
        failed = [f"{len(row.failures)} failed: {row.failures[0]}"] if row.failures else []
        lines.append([case, *cells, "; ".join([*goals, *filter(None, [row.note]), *failed])])
    return lines


def show(results: Results) -> None:
    """Prints everything."""
    for scenario, rows in results:
        lines = table(results, scenario, rows)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        print()
        for first, *middle, last in lines:
            cells = [cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True)]
            print("  ".join([first.ljust(widths[0]), *cells, last]))
    print("\n" + summary(results))


def summary(results: Results) -> str:
    """Says how many goals are reached, and names those that are not."""
    states = [(goal, goal.reached(results)) for goal in GOALS]
    measured = [(goal, state) for goal, state in states if state is not None]
    missed = [f"{goal.case}, {goal.text(results)}" for goal, state in measured if not state]
    text = f"{len(measured) - len(missed)} of {len(measured)} measured goals reached."
    if missed:
        text += " Where the time goes is under the phases of a warm run, and under CPU."
    return "\n".join([text, *(f"- {each}" for each in missed)])


def markdown(results: Results) -> str:
    about = results.about
    parts = [
        f"{about['when']}, {about['cores']} cores, load before {about['load']:.1f}, "
        f"`make bench{about['arguments']}`, {_minutes(about)} minutes. Milliseconds where nothing "
        "else is said.",
        summary(results),
    ]
    for scenario, rows in results:
        heading, *lines = table(results, scenario, rows)
        text = [f"### {heading[0].capitalize()}", ""]
        text += [f"| {' | '.join(['', *heading[1:]])} |", "|---" * len(heading) + "|"]
        parts.append("\n".join([*text, *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join(parts)


def _minutes(about: Mapping[str, Any]) -> int:
    seconds: int = sum(about["seconds"].values())
    return round(seconds / 60)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def main() -> None:
    from benchmarks.plots import draw  # noqa: PLC0415 - matplotlib belongs to the extra `bench`

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS)
    results = Results.from_json(json.loads(parser.parse_args().results.read_text()))
    draw(results, _PAGE.parent / "performance")
    before, _, rest = _PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{markdown(results)}\n\n{_END}{after}")


if __name__ == "__main__":
    main()
