"""Refuses requests that cannot be read, or lack a field marked `REQUIRED` in the proto."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from skillbox_common.errors import InvalidArgument
from skillbox_common.interceptors.around import AroundInterceptor, Call, Unreadable


class RequiredFieldsInterceptor(AroundInterceptor):
    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        if isinstance(call.request, Unreadable):
            raise InvalidArgument("the request cannot be read: text has to be UTF-8")
        if call.request is not None:
            check_required(call.request)
        yield


def check_required(message: Message, path: str = "") -> None:
    """Walks `message` and every message in it.

    Raises:
        InvalidArgument: A required field is missing or empty; the text names its path.
    """
    for field in _required(message.DESCRIPTOR):
        if not _is_set(message, field):
            raise InvalidArgument(f"'{path}{field.name}' is required")
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is None or kind.GetOptions().map_entry or kind.file.package.startswith("google."):
            continue
        for item in value if field.is_repeated else [value]:
            check_required(item, f"{path}{field.name}.")


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.has_presence:
        return message.HasField(field.name)
    return bool(getattr(message, field.name))


@cache
def _required(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    required = field_behavior_pb2.FieldBehavior.REQUIRED
    return tuple(
        field
        for field in descriptor.fields
        if required in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    )
