"""The JSON of the REST replies about executions, field by field as documented."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from google.api.httpbody_pb2 import HttpBody

from skillbox_common.errors import InvalidArgument
from skillbox_common.units import parse_duration
from skillbox_executor import convert
from skillbox_executor.commands.queries import Record
from skillbox_executor.domain import Event, EventKind, Execution, RunRequest, Status

EVENT_STREAM = "text/event-stream"
_ASYNC = "respond-async"


class RunBody(msgspec.Struct):
    """The body of `POST /v1/executions`. Unknown fields are ignored; null is like absence."""

    skill: str | None = None
    version: str | None = None
    input: msgspec.Raw = msgspec.Raw(b"")
    env: dict[str, str] | None = None
    entrypoint: str | None = None
    args: list[str] | None = None


def run_request(body: bytes) -> RunRequest:
    """Reads the body of `POST /v1/executions`.

    Raises:
        InvalidArgument: It is not such JSON; the text starts `invalid JSON body: `.
    """
    try:
        body.decode()
        parsed = msgspec.json.decode(body, type=RunBody)
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"invalid JSON body: not UTF-8 at byte {error.start}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        text = "empty" if not body.strip() else str(error).removeprefix("JSON is malformed: ")
        raise InvalidArgument(f"invalid JSON body: {text}") from None
    return RunRequest(
        skill=parsed.skill or "",
        version=parsed.version or "",
        input_json=convert.input_json(bytes(parsed.input)),
        env=parsed.env or {},
        entrypoint=parsed.entrypoint or "",
        args=parsed.args or [],
    )


def prefers_async(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    """Tells whether a `Prefer` header (RFC 7240) asks for `respond-async`."""
    preferences = (str(value).split(",") for name, value in metadata if name == "prefer")
    return any(
        preference.partition(";")[0].strip().lower() == _ASYNC
        for header in preferences
        for preference in header
    )


def accepted(execution_id: str) -> tuple[tuple[str, str], ...]:
    """Returns the headers of a reply to a run that goes on by itself."""
    return (
        ("x-http-code", "202"),
        ("location", f"/v1/executions/{execution_id}"),
        ("preference-applied", _ASYNC),
    )


def wait(text: str) -> float:
    """Reads how long a reply may be held back, in seconds.

    Raises:
        InvalidArgument: It is no duration.
    """
    try:
        return parse_duration(text) if text else 0.0
    except ValueError as error:
        raise InvalidArgument(f"wait: {text!r} is not valid: {error}") from None


def run_result(record: Record) -> dict[str, Any]:
    """Returns a RunResult: what the caller of a run gets."""
    execution = record.execution
    result: dict[str, Any] = {
        "execution_id": execution.id,
        "status": execution.status.value,
        "duration_ms": execution.duration_ms,
        "error": execution.error or None,
    }
    if execution.output_json is not None:
        result["output"] = msgspec.Raw(execution.output_json.encode())
    if execution.files:
        result["files_url"] = record.files_url
        result["files_list"] = list(execution.files)
    if record.logs:
        result["logs"] = convert.log_text(record.logs)
    return result | _additions(execution)


def execution_record(record: Record) -> dict[str, Any]:
    """Returns an execution in full, in any state."""
    execution = record.execution
    return {
        **run_result(record),
        **_identity(execution),
        "input": msgspec.Raw(execution.input_json.encode()),
        **_times(execution),
    }


def execution_summary(execution: Execution) -> dict[str, Any]:
    """Returns an execution as lists show it."""
    return {
        "execution_id": execution.id,
        "status": execution.status.value,
        "duration_ms": execution.duration_ms,
        "error": execution.error or None,
        **_identity(execution),
        **_additions(execution),
        **_times(execution),
    }


def status_filter(text: str) -> Status | None:
    """Reads a status to filter by.

    Raises:
        InvalidArgument: There is no such status.
    """
    if not text:
        return None
    try:
        return Status(text)
    except ValueError:
        expected = ", ".join(status.value for status in Status)
        raise InvalidArgument.of("status", text, f"one of {expected}") from None


def event_id(header: str | None, after_seq: int) -> int:
    """Reads `Last-Event-ID`, else `after_seq`.

    Raises:
        InvalidArgument: The header is no sequence number.
    """
    if not header:
        return after_seq
    if not re.fullmatch(r"\d{1,18}", header, re.ASCII):
        raise InvalidArgument.of("Last-Event-ID", header, "the id of an event")
    return int(header)


def server_sent_event(event: Event) -> HttpBody:
    """Returns one event in the format of Server-Sent Events."""
    detail = dict(event.detail)
    if event.kind is EventKind.LOG:
        detail = {"stream": event.stream, "data": convert.log_text(event.data)}
    data = msgspec.json.encode({"time": _rfc3339(event.time), **detail})
    text = b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.kind.value.encode(), data)
    return HttpBody(content_type=EVENT_STREAM, data=text)


def _identity(execution: Execution) -> dict[str, Any]:
    return {
        "skill_name": execution.skill_name,
        "skill_version": execution.skill_version,
        "tenant_id": execution.tenant_id,
    }


def _additions(execution: Execution) -> dict[str, Any]:
    """Returns what goes beyond the documented fields, left out when empty."""
    found: dict[str, Any] = {}
    if execution.reason is not None:
        found["reason"] = execution.reason.value
    if execution.exit_code is not None:
        found["exit_code"] = execution.exit_code
    if execution.sandbox:
        found["sandbox"] = execution.sandbox
    if execution.queue_position:
        found["queue_position"] = execution.queue_position
    return found


def _times(execution: Execution) -> dict[str, Any]:
    times = {
        "created_at": execution.created_at,
        "started_at": execution.started_at,
        "finished_at": execution.finished_at,
    }
    return {name: _rfc3339(moment) for name, moment in times.items() if moment is not None}


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
