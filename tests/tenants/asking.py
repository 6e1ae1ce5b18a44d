"""Sends a call for one set of names, and writes the reply down so that two can be compared."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

from skillbox_gateway.surface import descriptor_set
from tests.tenants.calls import Call, Grpc, Rest
from tests.tenants.world import World, bearer

# They differ from one reply to the next whatever was asked.
_PER_REPLY = {
    "connection",
    "date",
    "x-request-id",
    "x-envoy-upstream-service-time",
    "transfer-encoding",
}
_VARYING = (
    (re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|\+00:00)"), "<time>"),
    (re.compile("[0-9a-f]{64}"), "<digest>"),
    (re.compile(r"(duration_ms\"?: ?)[0-9]+"), r"\1<ms>"),
)
# What gRPC's client says of itself when a stream is refused while it still writes: ask again.
_LOST = "Internal error from Core"
_BROKEN = {"INTERNAL", "UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN", 500, 501, 502, 503}


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        code: HTTP status, or the name of the RPC's.
        text: Everything else, the metadata included.
    """

    code: int | str
    text: str

    def without(self, names: Mapping[str, str]) -> "Answer":
        """Returns it with placeholders for names that were asked for, and for what varies."""
        text = self.text
        for name, value in sorted(names.items(), key=lambda item: -len(item[1])):
            text = text.replace(value, f"<{name}>")
        for pattern, placeholder in _VARYING:
            text = pattern.sub(placeholder, text)
        return Answer(self.code, text)


def pool_of_all() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptor_set()).file:
        pool.Add(file)
    return pool


POOL = pool_of_all()


async def ask(
    world: World, method: str, call: Call, names: Mapping[str, str], key: str = ""
) -> Answer:
    """Sends a call as the curious tenant, or with another key.

    The reply is one that the service meant to give.
    """
    headers = bearer(key or world.mine)
    if isinstance(call, Rest):
        answer = await _rest(world, call, names, headers)
    else:
        answer = await _grpc(world, method, call, names, headers)
        while _LOST in answer.text:
            answer = await _grpc(world, method, call, names, headers)
    assert answer.code not in _BROKEN, answer
    return answer


async def _rest(
    world: World, call: Rest, names: Mapping[str, str], headers: Mapping[str, str]
) -> Answer:
    body: dict[str, Any] = {}
    sent = {**headers, **_filled(call.headers, names)}
    if call.archive:
        body["content"] = world.archives[_filled(call.archive, names)]
        sent["Content-Type"] = "application/zip"
    elif call.json is not None:
        body["json"] = _filled(call.json, names)
    reply = await world.http.request(call.verb, _filled(call.path, names), headers=sent, **body)
    shown = sorted(item for item in reply.headers.items() if item[0] not in _PER_REPLY)
    return Answer(reply.status_code, f"{shown}\n{reply.text}")


async def _grpc(
    world: World, method: str, call: Grpc, names: Mapping[str, str], headers: Mapping[str, str]
) -> Answer:
    service, _, name = method.partition("/")
    descriptor = POOL.FindServiceByName(service).FindMethodByName(name)
    request = message_factory.GetMessageClass(descriptor.input_type)()
    json_format.ParseDict(_filled(dict(call.request), names), request)
    if call.archive:
        request.chunk = world.archives[_filled(call.archive, names)]  # type: ignore[attr-defined] # of a generated class
    metadata = {**headers, **_filled(call.metadata, names)}
    running = _start(world.channel, method, descriptor, request, metadata)
    replies = []
    try:
        async for reply in running:
            replies.append(_shown(reply))
    except grpc.aio.AioRpcError as error:
        code, details = error.code().name, error.details()
    else:
        code, details = "OK", ""
    seen = [*await running.initial_metadata(), *await running.trailing_metadata()]
    shown = sorted((key, _text(value)) for key, value in seen if key not in _PER_REPLY)
    return Answer(code, "\n".join([str(details), str(shown), *replies]))


def _start(
    channel: grpc.aio.Channel,
    method: str,
    descriptor: MethodDescriptor,
    request: Message,
    metadata: Mapping[str, str],
) -> Any:
    """Calls any method as one that replies with a stream: on the wire they are all alike."""

    async def requests() -> AsyncIterator[Message]:
        yield request

    make = channel.stream_stream if descriptor.client_streaming else channel.unary_stream
    call: Any = make(
        f"/{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(descriptor.output_type).FromString,
    )
    lower = tuple((key.lower(), value) for key, value in metadata.items())
    return call(requests() if descriptor.client_streaming else request, metadata=lower, timeout=30)


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    match value:
        case str():
            return Template(value).substitute(names)
        case dict():
            return {key: _filled(each, names) for key, each in value.items()}
        case _:
            return value


def _shown(message: Message) -> str:
    if message.DESCRIPTOR.full_name == "google.api.HttpBody":
        return _text(message.data)  # type: ignore[attr-defined] # of a generated class
    return json_format.MessageToJson(message, preserving_proto_field_name=True)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
