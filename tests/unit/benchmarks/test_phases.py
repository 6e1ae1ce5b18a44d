from typing import Any

from benchmarks.phases import own_time, spans
from tests.telemetry.collector import Span

MS = 1_000_000


def span(name: str, parent: str, start: int, end: int, **attributes: Any) -> Span:
    return Span(
        service="skillbox-executor",
        name=name,
        trace_id=attributes.pop("trace", "one"),
        span_id=name,
        parent_id=parent,
        kind="INTERNAL",
        attributes={key.replace("_", "."): value for key, value in attributes.items()},
        failed=False,
        start=start * MS,
        end=end * MS,
        links=(),
    )


def trace(start: str, name: str = "one") -> list[Span]:
    return [
        span("call", "client", 0, 20, trace=name),
        span("execution", "call", 2, 18, trace=name),
        span("sandbox.acquire", "execution", 3, 5, trace=name, skillbox_sandbox_start=start),
        span("sandbox.run", "execution", 5, 15, trace=name),
        span("refresh", "call", 300, 310, trace=name),
    ]


def test_a_span_has_for_itself_what_those_in_it_leave() -> None:
    whole = span("whole", "", 0, 10)
    assert own_time(whole, []) == 10 * MS
    overlapping = [span("a", "whole", 1, 4), span("b", "whole", 3, 6), span("c", "whole", 9, 12)]
    assert own_time(whole, overlapping) == 4 * MS


def test_warm_runs_are_told_phase_by_phase() -> None:
    rows = spans([*trace("warm"), *trace("cold", "two")])
    found = {case: (row.values["begins"], row.values["p50"]) for case, row in rows.items()}
    assert found == {
        "executor call": (0, 4),
        "executor execution": (2, 4),
        "executor sandbox.acquire": (3, 2),
        "executor sandbox.run": (5, 10),
    }
    assert all(row.values["of runs"] == 1 for row in rows.values())
