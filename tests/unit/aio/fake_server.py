"""A gRPC server whose methods are functions of the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from skillbox.executor.v1.execution_service_pb2_grpc import (
    ExecutionServiceServicer,
    add_ExecutionServiceServicer_to_server,
)
from skillbox.registry.v1.skill_service_pb2_grpc import (
    SkillServiceServicer,
    add_SkillServiceServicer_to_server,
)

Method = Callable[[Any, Any], Any]


@asynccontextmanager
async def serve(**methods: Method) -> AsyncIterator[str]:
    """Runs a server of both services; yields its URL."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    # The server has to see that they are asynchronous, so nothing may be wrapped around them.
    members = {name: staticmethod(method) for name, method in methods.items()}
    for kind, add in (
        (ExecutionServiceServicer, add_ExecutionServiceServicer_to_server),
        (SkillServiceServicer, add_SkillServiceServicer_to_server),
    ):
        add(type("Servicer", (kind,), members)(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def refuse(
    context: Any,
    code: grpc.StatusCode,
    message: str = "no",
    *,
    reason: str = "",
    retry_after: str = "",
) -> None:
    """Ends a call as the services do."""
    metadata: list[tuple[str, str | bytes]] = []
    if retry_after:
        metadata.append(("retry-after", retry_after))
    if reason:
        status = Status(code=code.value[0], message=message)
        detail = AnyMessage()
        detail.Pack(ErrorInfo(reason=reason, domain="skillbox"))
        status.details.append(detail)
        metadata.append(("grpc-status-details-bin", status.SerializeToString()))
    await context.abort(code, message, tuple(metadata))
