"""What a scenario measures, and the numbers that are told of it."""

import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


def percentile(values: list[float], percent: int) -> float:
    """Returns a percentile, of one value or more."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


@dataclass
class Row:
    """One line of a scenario.

    Attributes:
        ms: Milliseconds of each run that succeeded.
        failures: What went wrong, for each run that failed.
        warm: Runs that found their box waiting.
        values: Other figures by name, in the unit that the name tells.
        note: Why there is nothing, or what to know about it.
    """

    ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warm: int = 0
    values: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def figures(self) -> dict[str, float]:
        """Returns everything that can be compared with a goal, by name."""
        found = dict(self.values)
        runs = len(self.ms) + len(self.failures)
        if self.ms:
            found |= {f"p{each}": percentile(self.ms, each) for each in (50, 95, 99)}
        if runs:
            found["success"] = len(self.ms) / runs
        if self.warm:
            found["warm"] = self.warm / runs
        return found


class Results:
    """The rows of all scenarios, in the order in which they came."""

    def __init__(self, about: dict[str, Any] | None = None) -> None:
        self.about = about or {}
        self.scenarios: dict[str, dict[str, Row]] = {}

    def row(self, scenario: str, case: str) -> Row:
        """Returns a row, which is made when it is not there."""
        return self.scenarios.setdefault(scenario, {}).setdefault(case, Row())

    def figure(self, scenario: str, case: str, name: str) -> float | None:
        """Returns a figure, or `None` when it was not measured."""
        row = self.scenarios.get(scenario, {}).get(case)
        return row.figures().get(name) if row else None

    def __iter__(self) -> Iterator[tuple[str, dict[str, Row]]]:
        return iter(self.scenarios.items())

    def as_json(self) -> dict[str, Any]:
        """Returns all that was measured; `from_json` reads it back."""
        rows = {
            scenario: {case: asdict(row) for case, row in cases.items()}
            for scenario, cases in self.scenarios.items()
        }
        return {"about": self.about, "scenarios": rows}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Results":
        results = cls(data["about"])
        for scenario, cases in data["scenarios"].items():
            results.scenarios[scenario] = {case: Row(**row) for case, row in cases.items()}
        return results
