import json

import pytest

from benchmarks import report
from benchmarks.goals import GOALS, Goal
from benchmarks.stats import Results, Row


def results(**figures: float) -> Results:
    made = Results({"when": "today", "cores": 2, "load": 0.0, "arguments": "", "seconds": {}})
    for case, ms in figures.items():
        made.row("latency", case).ms += [ms] * 3
    return made


@pytest.mark.parametrize(
    ("raw", "ours", "reached"), [(100, 9, True), (100, 10, True), (100, 11, False)]
)
def test_a_ratio_is_of_the_same_run(raw: float, ours: float, reached: bool) -> None:
    goal = Goal("latency", "ours", "p50", 0.1, ("latency", "raw", "p50"))
    found = results(raw=raw, ours=ours)
    assert goal.reached(found) is reached
    assert goal.text(found).endswith("NOT REACHED") is not reached
    assert f"{ours / raw:.2f}" in goal.text(found)


def test_a_rate_is_to_be_at_least_so_much() -> None:
    found = results()
    found.row("throughput", "ours").values["runs/s"] = 8.0
    found.row("throughput", "raw").values["runs/s"] = 10.0
    base = ("throughput", "raw", "runs/s")
    assert Goal("throughput", "ours", "runs/s", 0.7, base, at_least=True).reached(found)
    assert not Goal("throughput", "ours", "runs/s", 0.9, base, at_least=True).reached(found)


def test_what_was_not_measured_is_not_reached_and_says_so() -> None:
    goal = Goal("latency", "ours", "p50", 0.1, ("latency", "raw", "p50"))
    for found in (results(), results(ours=1.0), results(raw=1.0)):
        assert goal.reached(found) is None
        assert goal.text(found).endswith("not measured")


def test_failed_runs_count_against_success() -> None:
    row = Row(ms=[1.0, 2.0, 3.0], failures=["no"], warm=1)
    assert row.figures()["success"] == 0.75
    assert row.figures()["warm"] == 0.25


def test_results_survive_json() -> None:
    found = results(ours=1.0)
    found.row("latency", "peer").note = "cannot run here"
    again = Results.from_json(json.loads(json.dumps(found.as_json())))
    assert again.as_json() == found.as_json()
    assert "| peer |" in report.markdown(again)
    assert "cannot run here" in report.markdown(again)


def test_every_goal_has_a_row_of_its_own() -> None:
    keys = [(goal.scenario, goal.case, goal.figure, goal.base) for goal in GOALS]
    assert len(set(keys)) == len(keys)
