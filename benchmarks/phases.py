"""Where the time of a warm run goes: its trace, phase by phase, through all services."""

import asyncio
import statistics
from collections import defaultdict
from collections.abc import Sequence

from benchmarks import load
from benchmarks.goals import GVISOR, phases_of
from benchmarks.stats import Row, percentile
from benchmarks.suite import Suite, started
from tests.telemetry.collector import Collector, Span, collector

_PAUSE_S = 0.5
_RUN, _ACQUIRE = "execution", "sandbox.acquire"


async def warm(suite: Suite) -> None:
    """Milliseconds that each span of a run has for itself, without those of the spans in it.

    From stacks that export their traces, which costs a run some of its time.
    """
    for engine in suite.live:
        if engine == GVISOR:
            continue
        scenario = phases_of(engine)
        with collector() as received:
            exporting = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{received.address}",
                "OTEL_BSP_SCHEDULE_DELAY": "500",
                "SKILLBOX_OTLP_ADDRESS": received.address,
            }
            async with started(engine, **exporting) as live:
                seen, runs = Row(), suite.amount(40, 10)
                cases = {scenario: live.calls.rest()}
                await load.interleaved(cases, {scenario: seen}, runs, _PAUSE_S)
                await asyncio.to_thread(_wait, received, len(seen.ms))
        client = suite.results.row(scenario, "all, as the client sees it")
        client.values = {"begins": 0.0, **_percentiles(seen.ms), "of runs": seen.warm / runs}
        for case, row in spans(received.spans).items():
            suite.results.scenarios[scenario][case] = row


def spans(found: Sequence[Span]) -> dict[str, Row]:
    """Returns a row for each kind of span of the warm runs, in the order in which they begin."""
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in found:
        traces[span.trace_id].append(span)
    warm_runs = [each for each in traces.values() if _is_warm(each)]
    began: dict[str, list[float]] = defaultdict(list)
    own: dict[str, list[float]] = defaultdict(list)
    for trace in warm_runs:
        root = min(trace, key=lambda span: span.start)
        for span in trace:
            if span.start > root.end:
                continue  # what was begun for the run, but not waited for
            inside = [each for each in trace if each.parent_id == span.span_id]
            began[_name(span)].append((span.start - root.start) / 1e6)
            own[_name(span)].append(own_time(span, inside) / 1e6)
    return {
        name: Row(
            values={
                "begins": statistics.median(began[name]),
                **_percentiles(own[name]),
                "of runs": len(own[name]) / len(warm_runs),
            }
        )
        for name in sorted(began, key=lambda name: statistics.median(began[name]))
    }


def _percentiles(ms: list[float]) -> dict[str, float]:
    return {f"p{each}": percentile(ms, each) for each in (50, 95)}


def own_time(span: Span, inside: Sequence[Span]) -> int:
    """Returns the nanoseconds of a span in which none of those inside it went on."""
    covered, end = 0, span.start
    for each in sorted(inside, key=lambda each: each.start):
        until = min(each.end, span.end)
        covered += max(0, until - max(each.start, end))
        end = max(end, until)
    return span.end - span.start - covered


def _is_warm(trace: Sequence[Span]) -> bool:
    starts = [
        span.attributes.get("skillbox.sandbox.start") for span in trace if span.name == _ACQUIRE
    ]
    return starts == ["warm"] and any(span.name == _RUN for span in trace)


def _name(span: Span) -> str:
    service = span.service.removeprefix("skillbox-")
    if service == "gateway":
        return service
    called = ", called" if span.kind == "CLIENT" else ""
    return f"{service} {span.name.rpartition('.')[2] if '/' in span.name else span.name}{called}"


def _wait(received: Collector, runs: int) -> None:
    """Waits until the gateway's span of each run is there: it is sent last."""
    gateway = "skillbox-gateway"
    received.until(lambda: sum(span.service == gateway for span in received.spans) >= runs)
