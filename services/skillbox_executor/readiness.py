"""Whether the whole suite can serve."""

from collections.abc import Mapping
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from skillbox.executor.v1.readiness_service_pb2 import (
    Checks,
    GetReadinessRequest,
    GetReadinessResponse,
)
from skillbox.executor.v1.readiness_service_pb2_grpc import ReadinessServiceServicer
from skillbox_common.errors import DependencyUnavailable
from skillbox_common.rest import set_http_status
from skillbox_common.server import CHECK_TIMEOUT_S, Check, run_checks

_DOCUMENTED = ("postgres", "s3", "sandbox")


def peer_check(channel: grpc.aio.Channel) -> Check:
    """Returns a check that another service calls itself SERVING."""
    stub = health_pb2_grpc.HealthStub(channel)

    async def check() -> None:
        try:
            reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise DependencyUnavailable("does not answer") from error
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            raise DependencyUnavailable("not serving")

    return check


class ReadinessServicer(ReadinessServiceServicer):
    """Answers `/ready`.

    The documented reply has exactly `postgres`, `s3` and `sandbox`; another check is shown
    only while it fails.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def GetReadiness(
        self, request: GetReadinessRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> GetReadinessResponse:
        results = await run_checks(self._checks)
        ready = all(result == "ok" for result in results.values())
        if not ready:
            await set_http_status(context, 503)
        shown = {
            name: text for name, text in results.items() if name in _DOCUMENTED or text != "ok"
        }
        return GetReadinessResponse(
            status="ready" if ready else "not_ready", checks=Checks(**shown)
        )
