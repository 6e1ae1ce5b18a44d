"""What spans and metrics say about an RPC, on both of its sides."""

from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio
import structlog
from opentelemetry.trace import SpanKind

from skillbox_common.telemetry import tracing

_INFRASTRUCTURE = ("/grpc.health.", "/grpc.reflection.")


def is_infrastructure(method: str) -> bool:
    """Tells whether a method is one that every gRPC server has."""
    return method.startswith(_INFRASTRUCTURE)


def rpc_attributes(method: str) -> dict[str, str]:
    """Returns attributes of the semantic conventions; `method` is `/package.Service/Method`."""
    service, _, name = method[1:].partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}


def status_attributes(code: grpc.StatusCode) -> dict[str, Any]:
    """Returns the number, which many tools read, and the name, which the conventions prefer now."""
    return {"rpc.grpc.status_code": code.value[0], "rpc.response.status_code": code.name}


class TracingClientInterceptor(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]
    """Gives each call to another service a span, and the other service its place in the trace."""

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        method = _text(client_call_details.method)
        if is_infrastructure(method):
            return await continuation(client_call_details, request)
        with tracing.span(method[1:], SpanKind.CLIENT, rpc_attributes(method)) as span:
            details = _with_metadata(client_call_details, _headers())
            call = await continuation(details, request)
            code = await call.code()
            span.set_attributes(status_attributes(code))
            if code is not grpc.StatusCode.OK:
                tracing.fail(span, code.name)
            return call


def _headers() -> dict[str, str]:
    """Returns what lets the other service log and trace as part of the same request."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {**tracing.carrier(), **({"x-request-id": request_id} if request_id else {})}


def _with_metadata(details: Any, headers: Mapping[str, str]) -> Any:
    metadata = grpc.aio.Metadata(*(details.metadata or ()), *headers.items())
    return details._replace(metadata=metadata)


def _text(method: str | bytes) -> str:
    return method.decode() if isinstance(method, bytes) else method
