"""Spans, and the ids that spans and log lines carry. Nothing here ever holds what a caller sent."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog
from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.types import EventDict

from skillbox_common.errors import SkillboxError

ATTRIBUTES: Mapping[str, str] = {
    "tenant_id": "skillbox.tenant.id",
    "execution_id": "skillbox.execution.id",
    "skill_name": "skillbox.skill.name",
    "skill_version": "skillbox.skill.version",
}
"""Name of an id in the log to its name on spans."""

_tracer = trace.get_tracer("skillbox")
# No baggage: what strangers send must not travel on.
_propagator = TraceContextTextMapPropagator()


def bind(**ids: str) -> None:
    """Puts ids on the current span, and on each span and log line of this RPC or run to come."""
    structlog.contextvars.bind_contextvars(**ids)
    trace.get_current_span().set_attributes(
        {ATTRIBUTES[name]: value for name, value in ids.items() if name in ATTRIBUTES}
    )


def bound_attributes() -> dict[str, str]:
    """Returns the attributes of what is bound."""
    bound = structlog.contextvars.get_contextvars()
    return {attribute: str(bound[name]) for name, attribute in ATTRIBUTES.items() if name in bound}


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Mapping[str, Any] | None = None
) -> Iterator[Span]:
    """Opens a span below the current one.

    An exception marks it as failed by the name of its kind. Its text is left out: it may quote
    what a caller or a skill wrote.
    """
    opened = _tracer.start_span(name, kind=kind, attributes=attributes)
    if not opened.is_recording():
        yield opened
        return
    with trace.use_span(
        opened, end_on_exit=True, record_exception=False, set_status_on_exception=False
    ):
        try:
            yield opened
        except BaseException as error:
            fail(opened, error.reason if isinstance(error, SkillboxError) else type(error).__name__)
            raise


def start_server_span(
    name: str, carrier: Mapping[str, str], attributes: Mapping[str, Any] | None = None
) -> Span:
    """Starts the span of an RPC below the caller's; it is current until the RPC's task ends.

    The owner ends it. It stays current on purpose: a streaming handler may be closed in another
    task, which cannot put anything back.
    """
    parent = _propagator.extract(carrier)
    started = _tracer.start_span(name, parent, SpanKind.SERVER, attributes)
    context.attach(trace.set_span_in_context(started, parent))
    return started


@contextmanager
def continued(carrier: Mapping[str, str]) -> Iterator[None]:
    """Goes on with a trace that another process began; see `carrier`."""
    token = context.attach(_propagator.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def begun(name: str) -> Iterator[Span]:
    """Starts a span that is current inside, for tasks created there; the owner ends it."""
    with trace.use_span(
        _tracer.start_span(name),
        end_on_exit=False,
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        yield started


def past(name: str, start: datetime, end: datetime) -> float:
    """Adds a span for what is over already; returns its seconds, 0 if the clocks disagree."""
    end = max(start, end)
    span = _tracer.start_span(name, start_time=_nanoseconds(start))
    span.end(_nanoseconds(end))
    return (end - start).total_seconds()


def carrier() -> dict[str, str]:
    """Returns the current trace as W3C headers; empty without one."""
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    return headers


def fail(failed: Span, kind: str) -> None:
    """Marks a span as failed.

    Args:
        kind: One of few values, such as an exception's name.
    """
    failed.set_attribute("error.type", kind)
    failed.set_status(StatusCode.ERROR)


def log_trace_ids(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Adds `trace_id` and `span_id` to a log line, when there is a trace."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        event["trace_id"] = trace.format_trace_id(current.trace_id)
        event["span_id"] = trace.format_span_id(current.span_id)
    return event


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
