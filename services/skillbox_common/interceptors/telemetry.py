"""Gives each RPC a span below its caller's, and counts how long it took."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from skillbox_common.interceptors.around import AroundInterceptor, Call
from skillbox_common.telemetry import tracing
from skillbox_common.telemetry.metrics import rpc_duration
from skillbox_common.telemetry.rpc import is_infrastructure, rpc_attributes, status_attributes

_CONTEXT = ("traceparent", "tracestate")
# The caller's fault, or nobody's: the service did what it should.
_SERVER_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class TelemetryInterceptor(AroundInterceptor):
    """Health checks and reflection leave no trace: they would be most of it."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        if is_infrastructure(call.method):
            yield
            return
        attributes = rpc_attributes(call.method)
        carrier = {name: value for name in _CONTEXT if (value := call.metadata(name))}
        span = tracing.start_server_span(call.method[1:], carrier, attributes)

        def ended(code: grpc.StatusCode, seconds: float) -> None:
            status = status_attributes(code)
            rpc_duration.record(seconds, {**attributes, **status})
            span.set_attributes(status)
            if code in _SERVER_FAULTS:
                tracing.fail(span, code.name)
            span.end()

        with call.observed(ended):
            yield
