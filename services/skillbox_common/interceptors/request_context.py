"""Gives each RPC an id and one line in the log."""

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import structlog

from skillbox_common.caller import set_caller_endpoint
from skillbox_common.interceptors.around import AroundInterceptor, Call

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)
_QUIET = (
    "/grpc.health.v1.Health/",
    "/skillbox.auth.v1.IntrospectionService/",
    "/skillbox.executor.v1.ReadinessService/",
)
_log = structlog.get_logger(__name__)


class RequestContextInterceptor(AroundInterceptor):
    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        request_id = call.metadata("x-request-id") or ""
        if not _REQUEST_ID.fullmatch(request_id):
            request_id = str(uuid.uuid4())
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        set_caller_endpoint(call.metadata("x-forwarded-host"), call.metadata("x-forwarded-proto"))
        if call.method.startswith(_QUIET):
            yield
            return

        def ended(code: grpc.StatusCode, seconds: float) -> None:
            ms = round(seconds * 1000, 1)
            _log.info("rpc", method=call.method, code=code.name, ms=ms)

        with call.observed(ended):
            yield
