"""How executions look from outside: a span for each with one for each phase, and their numbers."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

import structlog
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import Span

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.tasks import background
from skillbox_common.telemetry import tracing
from skillbox_common.telemetry.metrics import SECONDS, gauge, meter
from skillbox_executor.domain import Execution, Status
from skillbox_executor.pool import PoolSnapshot, Start

_LOOK_S = 5.0
_log = structlog.get_logger(__name__)

_ended = meter.create_counter(
    "skillbox.executions", unit="{execution}", description="Executions that ended"
)
_phases = meter.create_histogram(
    "skillbox.execution.phase.duration",
    unit="s",
    description="Time that executions spent in a phase",
    explicit_bucket_boundaries_advisory=SECONDS,
)
_durations = meter.create_histogram(
    "skillbox.execution.duration",
    unit="s",
    description="Time from the start of a skill to its recorded end",
    explicit_bucket_boundaries_advisory=SECONDS,
)
log_bytes = meter.create_counter(
    "skillbox.log.size", unit="By", description="Log of skills that was kept"
)
artifact_bytes = meter.create_counter(
    "skillbox.artifact.size", unit="By", description="Files of skills that were stored"
)


class Pool(Protocol):
    def snapshot(self) -> PoolSnapshot: ...


class Waiting(Protocol):
    async def waiting(self) -> int: ...


class Holder(Protocol):
    @property
    def held(self) -> Collection[str]: ...


@asynccontextmanager
async def observed(pool: Pool, queue: Waiting, worker: Holder) -> AsyncIterator[None]:
    """Exports what changes by itself: the pool, the queue and what runs; once in a process."""
    depth = 0

    async def look() -> None:
        nonlocal depth
        while True:
            with suppress(DependencyUnavailable):
                depth = await queue.waiting()
            await asyncio.sleep(_LOOK_S)

    def given(_: CallbackOptions) -> Iterable[Observation]:
        now = pool.snapshot()
        yield Observation(now.hits, {"start": Start.WARM.value})
        yield Observation(now.misses, {"start": Start.COLD.value})

    gauge("skillbox.queue.depth", lambda: depth, "Executions that wait, on all replicas")
    gauge("skillbox.executions.held", lambda: len(worker.held), "Executions on this replica")
    gauge("skillbox.pool.idle", lambda: pool.snapshot().idle, "Boxes that wait for a run")
    meter.create_observable_counter(
        "skillbox.pool.acquisitions", [given], description="Boxes given out: warm or cold"
    )
    async with background(look()):
        yield


@contextmanager
def phase(name: str) -> Iterator[Span]:
    """Measures a phase of the current execution, as a span and as a number."""
    started = time.perf_counter()
    try:
        with tracing.span(name) as span:
            yield span
    finally:
        _phases.record(time.perf_counter() - started, {"phase": name})


@contextmanager
def tracked(execution: Execution, carrier: Mapping[str, str]) -> Iterator[Span]:
    """Starts the span of an execution that left the queue; `ended` ends it.

    Tasks that are created meanwhile belong to it: their spans and log lines carry its ids.

    Args:
        carrier: The trace of the call that asked for it, perhaps of another replica.
    """
    ids = {
        "tenant_id": execution.tenant_id,
        "execution_id": execution.id,
        "skill_name": execution.skill_name,
        "skill_version": execution.skill_version,
    }
    with (
        tracing.continued(carrier),
        structlog.contextvars.bound_contextvars(**ids),
        tracing.begun("execution") as span,
    ):
        waited_s = tracing.past("admission.wait", execution.created_at, datetime.now(UTC))
        _phases.record(waited_s, {"phase": "admission.wait"})
        yield span


def ended(span: Span, execution: Execution | None) -> None:
    """Ends the span of an execution.

    Args:
        execution: As it is recorded; `None` when another replica goes on with it.
    """
    if execution is not None:
        count(execution)
        if execution.duration_ms is not None and execution.started_at is not None:
            _durations.record(execution.duration_ms / 1000, {"status": execution.status.value})
        span.set_attribute("skillbox.execution.status", execution.status.value)
        if execution.reason is not None:
            span.set_attribute("skillbox.execution.reason", execution.reason.value)
        if execution.status in (Status.FAILED, Status.TIMEOUT):
            tracing.fail(span, execution.reason.value if execution.reason else "UNKNOWN")
        _log.info(
            "execution",
            status=execution.status.value,
            reason=execution.reason.value if execution.reason else None,
            ms=execution.duration_ms,
        )
    span.end()


def count(ended: Execution) -> None:
    """Counts an execution that has ended."""
    reason = ended.reason.value if ended.reason else ""
    _ended.add(1, {"status": ended.status.value, "reason": reason})
