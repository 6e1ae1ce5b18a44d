"""Idempotency keys: how a caller says that a request is a repetition of another."""

import re
from typing import Any

import grpc.aio

from skillbox_common.errors import InvalidArgument

HEADER = "idempotency-key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)


def idempotency_key(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Returns the key of this RPC; empty when it has none.

    Raises:
        InvalidArgument: It is no key, or there are several.
    """
    found = [value for name, value in context.invocation_metadata() or () if name == HEADER]
    if not found:
        return ""
    key = found[0] if isinstance(found[0], str) else found[0].decode("latin-1")
    if len(found) > 1 or not _KEY.fullmatch(key):
        raise InvalidArgument.of(HEADER, key, "one key of 1 to 255 printable ASCII characters")
    return key
