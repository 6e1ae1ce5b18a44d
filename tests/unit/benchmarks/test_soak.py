import pytest

from benchmarks import soak


def memory(*sizes: float) -> list[dict[str, float]]:
    return [{"executor": size} for size in sizes]


FLAT = memory(50, 80, 100, 100, 101, 107, 102, 103)  # garbage comes and goes
SOAK = {
    "engine": "bubblewrap",
    "runs": 10,
    "runs/s": 1.0,
    "succeeded": 10,
    "failures": [],
    "recorded": {"success": 10},
    "p50 ms": 20.0,
    "p99 ms": 30.0,
    "boxes left": 0,
    "memory MiB": FLAT,
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"succeeded": 9}, "1 runs failed"),
        ({"recorded": {"success": 9, "failed": 1}}, "recorded are"),
        ({"boxes left": 2}, "2 boxes are left"),
        ({"memory MiB": memory(50, 80, 100, 102, 104, 105, 106, 107)}, "executor grew"),
    ],
)
def test_a_soak_finds_faults(change: dict[str, object], fault: str | None) -> None:
    found = {**SOAK, **change}
    faults = soak.problems(found)
    assert len(faults) == (fault is not None)
    assert all(fault in each for each in faults if fault)
    verdict = soak.report(found).splitlines()[-1]
    assert verdict == (f"NOT OK: {faults[0]}" if fault else "ok")


def test_growth_is_counted_from_a_quarter_to_the_end() -> None:
    assert soak.settled(FLAT) == ({"executor": 100}, {"executor": 103})
