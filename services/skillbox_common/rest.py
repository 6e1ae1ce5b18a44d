"""Helpers for the bindings that speak REST through `google.api.HttpBody`."""

from typing import Any

import grpc.aio
import msgspec
from google.api.httpbody_pb2 import HttpBody


async def set_http_status(context: grpc.aio.ServicerContext[Any, Any], status: int) -> None:
    """Asks the gateway for another success status than 200. gRPC clients never see it."""
    await context.send_initial_metadata((("x-http-code", str(status)),))


def json_body(value: object) -> HttpBody:
    """Encodes a reply as compact JSON. A `msgspec.Raw` inside is passed on as it is."""
    return HttpBody(content_type="application/json", data=msgspec.json.encode(value))
