"""What it means that a REST body and the reply of an RPC say the same."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from google.protobuf import json_format
from google.protobuf.message import Message

from skillbox.executor.v1 import execution_pb2

Json = dict[str, Any]

_RUN_RESULT = (
    *("execution_id", "status", "duration_ms", "error", "output", "files_url", "files_list"),
    *("logs", "reason", "exit_code", "sandbox"),
)
# Two runs differ in these, and an address is signed anew on each read.
_OF_THIS_RUN = ("execution_id", "duration_ms", "sandbox")
_SIGNED = "files_url"


def to_json(message: Message) -> Json:
    """Returns a message as the transcoder prints it."""
    return dict(json_format.MessageToDict(message, preserving_proto_field_name=True))


def check(same: str, rest: httpx.Response, replies: Sequence[Message]) -> None:
    """Fails when the two do not agree.

    Args:
        same: `json` for a typed reply, `run`, `execution` or `executions` for what speaks of
            executions, `bytes` for raw content.
    """
    if same == "bytes":
        assert rest.content == b"".join(map(_content, replies))
        return
    (reply,) = replies
    body = rest.json()
    match same:
        case "json":
            assert _without_use(body) == _without_use(to_json(reply))
        case "run":
            ours = _execution(reply.execution)  # type: ignore[attr-defined]
            ours = {name: value for name, value in ours.items() if name in _RUN_RESULT}
            assert _without(body, *_OF_THIS_RUN, _SIGNED) == _without(ours, *_OF_THIS_RUN, _SIGNED)
            assert set(body) == set(ours)
        case "execution":
            ours = _execution(reply.execution if hasattr(reply, "execution") else reply)
            assert _without(body, _SIGNED) == _without(ours, _SIGNED)
        case "executions":
            assert body == {
                "executions": list(map(_execution, reply.executions)),  # type: ignore[attr-defined]
                **({"next_page_token": token} if (token := _token(reply)) else {}),
            }


def _without_use(body: Json) -> Json:
    """Leaves out when keys were used last: Auth notes that a moment later, between two calls."""
    if "api_keys" not in body:
        return body
    return {**body, "api_keys": [_without(key, "last_used_at") for key in body["api_keys"]]}


def _content(reply: Message) -> bytes:
    """Returns the piece of a file, an archive or a log that a reply carries."""
    log = getattr(reply, "log", None)
    content: bytes = log.data if log is not None else reply.chunk  # type: ignore[attr-defined]
    return content


def _token(reply: Message) -> str:
    return str(reply.next_page_token)  # type: ignore[attr-defined]


def _execution(execution: Any) -> Json:
    """Returns an execution as REST shows it."""
    shown = to_json(execution)
    status = shown.pop("status").removeprefix("EXECUTION_STATUS_").lower()
    result: Json = {
        "execution_id": shown.pop("id"),
        "status": status,
        "duration_ms": shown.pop("duration_ms", 0),
        "error": shown.pop("error", None),
    }
    if "reason" in shown:
        result["reason"] = shown.pop("reason").removeprefix("EXECUTION_REASON_")
    for name in ("input", "output"):
        if text := shown.pop(f"{name}_json", ""):
            shown[name] = json.loads(text)
    if execution.HasField("sandbox"):
        shown["sandbox"] = _full(execution.sandbox)
    return {**result, **shown}


def _full(sandbox: execution_pb2.Sandbox) -> Json:
    """Returns the evidence with its empty fields, which REST does not leave out."""
    return dict(
        json_format.MessageToDict(
            sandbox, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    )


def _without(values: Mapping[str, Any], *names: str) -> Json:
    return {name: value for name, value in values.items() if name not in names}
