"""Sends a case over REST and over gRPC."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import httpx
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from skillbox.auth.v1.fallback_rest_pb2_grpc import FallbackRestServiceStub
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from skillbox.executor.v1.readiness_service_pb2_grpc import ReadinessServiceStub
from skillbox.registry.v1.skill_rest_pb2_grpc import SkillRestServiceStub
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub
from tests.contract.table import Grpc, Rest
from tests.support.failures import failure_of

_STUBS = {
    "ApiKeyService": ("skillbox.auth.v1", ApiKeyServiceStub),
    "FallbackRestService": ("skillbox.auth.v1", FallbackRestServiceStub),
    "SkillService": ("skillbox.registry.v1", SkillServiceStub),
    "SkillRestService": ("skillbox.registry.v1", SkillRestServiceStub),
    "ExecutionService": ("skillbox.executor.v1", ExecutionServiceStub),
    "ReadinessService": ("skillbox.executor.v1", ReadinessServiceStub),
}


@dataclass(frozen=True)
class Outcome:
    """What became of an RPC."""

    code: str = "OK"
    reason: str = ""
    message: str = ""
    replies: Sequence[Message] = field(default_factory=list)


async def send_rest(
    http: httpx.AsyncClient,
    rest: Rest,
    headers: Mapping[str, str],
    archives: Mapping[str, bytes],
) -> httpx.Response:
    """Sends a request over REST."""
    body: dict[str, Any] = {}
    if rest.json is not None:
        body["json"] = rest.json
    elif rest.text is not None:
        body["content"] = rest.text.encode()
    elif rest.archive is not None:
        body["content"] = archives[rest.archive]
    elif rest.size is not None:
        body["content"] = b"x" * rest.size
    elif rest.form is not None:
        fields = dict(rest.form)
        file = fields.pop("file", None)
        body["data"] = fields
        body["files"] = {"file": ("skill.zip", archives[file])} if file else {"x": b"x"}
    types = {"Content-Type": rest.type} if rest.type is not None else {}
    return await http.request(rest.method, rest.path, headers={**headers, **types}, **body)


async def send_grpc(
    channel: grpc.aio.Channel,
    call: Grpc,
    headers: Mapping[str, str],
    archives: Mapping[str, bytes],
) -> Outcome:
    """Calls an RPC."""
    service, _, name = call.method.partition("/")
    package, stub = _STUBS[service]
    method = (
        descriptor_pool.Default().FindServiceByName(f"{package}.{service}").FindMethodByName(name)
    )
    make = message_factory.GetMessageClass(method.input_type)

    def message(values: Any) -> Message:
        parsed: Message = json_format.ParseDict(_with_archives(values, archives), make())
        return parsed

    request = call.request
    sent = iter(map(message, request)) if isinstance(request, list) else message(request)
    metadata = [(key.lower(), value) for key, value in headers.items()]
    running = getattr(stub(channel), name)(sent, metadata=metadata, timeout=60)
    try:
        replies = [reply async for reply in running] if method.server_streaming else [await running]
    except grpc.aio.AioRpcError as error:
        failed = failure_of(error)
        return Outcome(failed.code.name, failed.reason, failed.message)
    return Outcome(replies=replies)


def _with_archives(values: Any, archives: Mapping[str, bytes]) -> Any:
    """Puts archives, as JSON carries bytes, in the place of `@name`."""
    match values:
        case str() if values.startswith("@"):
            return base64.b64encode(archives[values[1:]]).decode()
        case dict():
            return {key: _with_archives(value, archives) for key, value in values.items()}
    return values
