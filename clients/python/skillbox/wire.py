"""How the SDK's values and errors travel over gRPC. Needs the extra `grpc`."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from skillbox.client import APIError, Event, RunResult, SkillDetail, from_members, parse_json
from skillbox.executor.v1 import execution_pb2
from skillbox.executor.v1.event_pb2 import ExecutionEvent, LogStream
from skillbox.registry.v1.skill_pb2 import Skill
from skillbox_common.error_catalogue import CATALOGUE, DOMAIN

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CHANNEL_OPTIONS = (
    # Output and logs come in one message, larger than the default of 4 MiB allows.
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    # As over REST, the server is asked directly.
    ("grpc.enable_http_proxy", 0),
)

# For what was refused before a service could give its reason.
_REASONS = {
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "SCOPE_MISSING",
    grpc.StatusCode.NOT_FOUND: "PATH_NOT_FOUND",
    grpc.StatusCode.UNIMPLEMENTED: "PATH_NOT_FOUND",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "CAPACITY_EXHAUSTED",
    grpc.StatusCode.UNAVAILABLE: "DEPENDENCY_UNAVAILABLE",
    grpc.StatusCode.INTERNAL: "INTERNAL",
}

_Run = TypeVar("_Run", bound=RunResult)
_Data = TypeVar("_Data", bound="DataclassInstance")


def target(base_url: str) -> tuple[str, bool]:
    """Derives where gRPC is spoken from the server's URL.

    Returns:
        host:port, and whether to use TLS.
    """
    url = urlsplit(base_url)
    tls = url.scheme == "https"
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return f"{host}:{url.port or (443 if tls else 80)}", tls


def api_error(error: grpc.RpcError) -> APIError:
    """Returns what the same failure is over REST."""
    # Every error of a call has these, which the base class does not say.
    code: grpc.StatusCode = error.code()
    message: str = error.details() or code.name
    trailers = cast("Iterable[tuple[str, Any]]", error.trailing_metadata() or ())
    metadata = dict(trailers)
    retry_after = str(metadata.get("retry-after", ""))
    known = CATALOGUE.get(_reason(metadata)) or CATALOGUE.get(_REASONS.get(code, ""))
    # Only a server sends metadata: without any, nobody was reached.
    if known is None or (code is grpc.StatusCode.UNAVAILABLE and not metadata):
        return APIError(0, message=message)
    return APIError(
        known.http_status,
        known.rest_code,
        message,
        retry_after=int(retry_after) if retry_after.isdecimal() else None,
    )


def _reason(metadata: Mapping[str, Any]) -> str:
    try:
        status = Status.FromString(metadata.get("grpc-status-details-bin", b""))
    except DecodeError:
        return ""
    info = ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            return str(info.reason)
    return ""


def build(kind: type[_Data], message: Message) -> _Data:
    """Fills a dataclass with what it knows of a message."""
    return from_members(kind, members(message))


def skill(message: Skill) -> SkillDetail:
    """Reads one version in full."""
    values = members(message)
    for name in ("input_schema", "output_schema"):
        if name in values:
            values[name] = _tidy(values[name])
    return from_members(SkillDetail, values)


def _tidy(value: Any) -> Any:
    """Makes up for what a Struct loses: integers, and an order of names that stays the same."""
    if isinstance(value, dict):
        return {name: _tidy(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def status_of(word: str) -> execution_pb2.ExecutionStatus:
    """Returns the status that a word such as `failed` stands for; none for no word.

    Raises:
        APIError: There is no such status.
    """
    name = f"EXECUTION_STATUS_{word.upper() or 'UNSPECIFIED'}"
    try:
        return cast("execution_pb2.ExecutionStatus", execution_pb2.ExecutionStatus.Value(name))
    except ValueError:
        raise APIError(400, "bad_request", f"status: {word!r} is not a status") from None


def members(message: Message, *, defaults: bool = False) -> dict[str, Any]:
    """Returns a message as the object that it is over REST.

    Args:
        defaults: Whether fields that are empty are there too.
    """
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=defaults
    )


def run(kind: type[_Run], message: execution_pb2.Execution) -> _Run:
    """Reads a run, with input and output as values and as texts."""
    lean = execution_pb2.Execution()
    lean.CopyFrom(message)
    # Their texts are there too, and keep every digit.
    lean.ClearField("input")
    lean.ClearField("output")
    values = members(lean)
    values["execution_id"] = message.id
    values["status"] = status_word(message.status)
    values["reason"] = reason_word(message.reason)
    for name in ("created_at", "started_at", "finished_at"):
        if message.HasField(name):
            values[name] = _rfc3339(getattr(message, name))
    if message.HasField("sandbox"):
        values["sandbox"] = members(message.sandbox, defaults=True)
    for name in ("input", "output"):
        if text := values.get(f"{name}_json"):
            values[name] = _parse(text)
    return from_members(kind, values)


def _rfc3339(moment: Timestamp) -> str:
    return moment.ToDatetime(UTC).isoformat().replace("+00:00", "Z")


def _parse(text: str) -> Any:
    try:
        return parse_json(text)
    except (ValueError, RecursionError) as error:
        raise APIError(0, message=f"the reply cannot be read: {error}") from error


def event(message: ExecutionEvent) -> Event:
    """Reads an event; its data is that of the event over REST."""
    kind = message.WhichOneof("event") or ""
    data: dict[str, Any] = {"time": _rfc3339(message.time)}
    match kind:
        case "started":
            data |= members(message.started.sandbox, defaults=True)
        case "log":
            data["stream"] = stream_word(message.log.stream)
            data["data"] = message.log.data.decode(errors="replace")
        case "artifact":
            data |= members(message.artifact, defaults=True)
        case "finished":
            finished = message.finished
            data |= {
                "status": status_word(finished.status),
                "reason": reason_word(finished.reason) or None,
                "error": finished.error,
                "exit_code": finished.exit_code if finished.HasField("exit_code") else None,
                "duration_ms": finished.duration_ms,
            }
    return Event(message.seq, kind, data)


def stream_word(stream: LogStream) -> str:
    """Returns `stdout`, `stderr` or `system`."""
    return LogStream.Name(stream).removeprefix("LOG_STREAM_").lower()


def reason_word(reason: execution_pb2.ExecutionReason) -> str:
    """Returns the word of a reason, such as `TIME_LIMIT`; empty for none."""
    if not reason:
        return ""
    return execution_pb2.ExecutionReason.Name(reason).removeprefix("EXECUTION_REASON_")


def status_word(status: execution_pb2.ExecutionStatus) -> str:
    """Returns the word of a status, such as `success`."""
    return execution_pb2.ExecutionStatus.Name(status).removeprefix("EXECUTION_STATUS_").lower()
