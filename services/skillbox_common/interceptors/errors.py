"""Turns exceptions into catalogued errors. The only place that knows gRPC codes.

Over gRPC a caller sees the code, the public text and a `google.rpc.ErrorInfo`. A call that
Envoy transcoded also carries the finished REST reply in `x-http-code` and `x-rest-error`,
so that the mapping to REST lives in the catalogue and not in a gateway script.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from skillbox_common.error_catalogue import CATALOGUE, DOMAIN
from skillbox_common.errors import InternalError, SkillboxError
from skillbox_common.interceptors.around import AroundInterceptor, Call

# gRPC clients refuse more than 8 KiB of metadata; the text may appear in it twice, escaped.
MAX_MESSAGE = 1000

_TRANSCODED = "x-envoy-original-method"
_log = structlog.get_logger(__name__)


class ErrorInterceptor(AroundInterceptor):
    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        try:
            yield
        except (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit):
            raise
        except SkillboxError as error:
            await _abort(call, error)
        except Exception:
            _log.exception("unexpected error", method=call.method)
            await _abort(call, InternalError())


async def _abort(call: Call, error: SkillboxError) -> None:
    wire = CATALOGUE[error.reason]
    message = error.message
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 1] + "…"
    retry_after: int | None = getattr(error, "retry_after", None)
    metadata: list[tuple[str, str | bytes]] = []
    if retry_after is not None:
        metadata.append(("retry-after", str(retry_after)))
    if call.metadata(_TRANSCODED) is not None:
        body = json.dumps({"error": wire.rest_code, "message": message}, separators=(",", ":"))
        metadata += [("x-http-code", str(wire.http_status)), ("x-rest-error", body)]
    else:
        status = Status(code=wire.grpc_code.value[0], message=message)
        details: list[ErrorInfo | RetryInfo] = [ErrorInfo(reason=error.reason, domain=DOMAIN)]
        if retry_after is not None:
            retry = RetryInfo()
            retry.retry_delay.FromSeconds(retry_after)
            details.append(retry)
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        metadata.append(("grpc-status-details-bin", status.SerializeToString()))
    await call.context.abort(wire.grpc_code, message, tuple(metadata))
