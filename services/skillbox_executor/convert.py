"""Between domain and protobuf."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

from skillbox.executor.v1 import event_pb2, execution_pb2
from skillbox.executor.v1.execution_service_pb2 import SkillRun
from skillbox_common.errors import InvalidArgument
from skillbox_executor import raw_json
from skillbox_executor.commands.queries import Record
from skillbox_executor.domain import Event, EventKind, Execution, Reason, RunRequest, Status


def run_request(run: SkillRun) -> RunRequest:
    """Reads a request.

    Raises:
        InvalidArgument: `input_json` is not JSON.
    """
    return RunRequest(
        skill=run.skill,
        version=run.version,
        input_json=input_json(_payload(run)),
        env=dict(run.env),
        entrypoint=run.entrypoint,
        args=list(run.args),
    )


def input_json(text: bytes) -> str:
    """Returns the input as skills see it: compact, and `{}` for nothing and for null.

    Raises:
        InvalidArgument: It is not JSON.
    """
    if not text.strip():
        return "{}"
    try:
        compact = raw_json.compact(text)
    except ValueError as error:
        raise InvalidArgument(f"input_json: not valid JSON: {error}") from None
    return "{}" if compact == "null" else compact


def _payload(run: SkillRun) -> bytes:
    match run.WhichOneof("payload"):
        case "input":
            return json.dumps(json_format.MessageToDict(run.input)).encode()
        case "input_json":
            return run.input_json.encode()
    return b""


def status_filter(status: int) -> Status | None:
    """Reads a status to filter by.

    Raises:
        InvalidArgument: There is no such status.
    """
    if status == execution_pb2.EXECUTION_STATUS_UNSPECIFIED:
        return None
    try:
        name = execution_pb2.ExecutionStatus.Name(status)
    except ValueError:
        raise InvalidArgument.of("status", status, "an ExecutionStatus") from None
    return Status(name.removeprefix("EXECUTION_STATUS_").lower())


def seconds(duration: Duration) -> float:
    """Returns a duration in seconds; zero when it is not set."""
    return duration.seconds + duration.nanos / 1e9


def execution_message(execution: Execution) -> execution_pb2.Execution:
    """Converts an execution without its logs and the address of its files."""
    message = execution_pb2.Execution(
        id=execution.id,
        tenant_id=execution.tenant_id,
        skill_name=execution.skill_name,
        skill_version=execution.skill_version,
        status=_status(execution.status),
        reason=_reason(execution.reason),
        error=execution.error,
        files_list=execution.files,
        exit_code=execution.exit_code,
        duration_ms=execution.duration_ms,
        created_at=_timestamp(execution.created_at),
        started_at=_timestamp(execution.started_at),
        finished_at=_timestamp(execution.finished_at),
        queue_position=execution.queue_position,
    )
    if execution.sandbox:
        message.sandbox.CopyFrom(_sandbox(execution.sandbox))
    return message


def record_message(record: Record) -> execution_pb2.Execution:
    """Converts an execution in full."""
    execution = record.execution
    message = execution_message(execution)
    message.files_url = record.files_url
    message.logs = log_text(record.logs)
    message.input_json = execution.input_json
    _set_value(message.input, execution.input_json)
    if execution.output_json is not None:
        message.output_json = execution.output_json
        _set_value(message.output, execution.output_json)
    return message


def log_text(data: bytes) -> str:
    """Decodes logs for transports that carry text only."""
    return data.decode(errors="replace")


def log_message(event: Event) -> event_pb2.Log:
    stream = f"LOG_STREAM_{event.stream.upper()}"
    return event_pb2.Log(stream=stream, data=event.data)


def event_message(execution_id: str, event: Event) -> event_pb2.ExecutionEvent:
    """Converts an event."""
    message = event_pb2.ExecutionEvent(
        execution_id=execution_id, seq=event.seq, time=_timestamp(event.time)
    )
    detail = event.detail
    match event.kind:
        case EventKind.QUEUED:
            message.queued.SetInParent()
        case EventKind.STARTED:
            message.started.sandbox.CopyFrom(_sandbox(detail))
        case EventKind.LOG:
            message.log.CopyFrom(log_message(event))
        case EventKind.ARTIFACT:
            message.artifact.files.extend(detail["files"])
            message.artifact.size_bytes = detail["size_bytes"]
        case EventKind.FINISHED:
            message.finished.CopyFrom(
                event_pb2.Finished(
                    status=_status(Status(detail["status"])),
                    reason=_reason(Reason(detail["reason"]) if detail["reason"] else None),
                    error=detail["error"],
                    exit_code=detail["exit_code"],
                    duration_ms=detail["duration_ms"],
                )
            )
    return message


# Enum fields take the names of their values.


def _status(status: Status) -> str:
    return f"EXECUTION_STATUS_{status.name}"


def _reason(reason: Reason | None) -> str:
    return f"EXECUTION_REASON_{reason.name if reason else 'UNSPECIFIED'}"


def _sandbox(detail: Mapping[str, Any]) -> execution_pb2.Sandbox:
    return execution_pb2.Sandbox(**detail)


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def _set_value(value: Value, text: str) -> None:
    """Fills the convenient form where protobuf can hold it; `*_json` has it in any case."""
    try:
        value.CopyFrom(json_format.Parse(text, Value()))
    except (json_format.ParseError, RecursionError, ValueError):
        value.Clear()
