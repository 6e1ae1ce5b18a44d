"""The services behind the gateway, in this process, with the interceptors of production."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]
from grpc_reflection.v1alpha import reflection

from skillbox.auth.v1 import introspection_service_pb2_grpc as introspection_grpc
from skillbox.auth.v1.api_key_service_pb2_grpc import add_ApiKeyServiceServicer_to_server
from skillbox.auth.v1.fallback_rest_pb2_grpc import add_FallbackRestServiceServicer_to_server
from skillbox.executor.v1.execution_rest_pb2_grpc import (
    add_ExecutionRestServiceServicer_to_server,
)
from skillbox.executor.v1.readiness_service_pb2_grpc import (
    add_ReadinessServiceServicer_to_server,
)
from skillbox.registry.v1.skill_rest_pb2_grpc import add_SkillRestServiceServicer_to_server
from skillbox.registry.v1.skill_service_pb2_grpc import add_SkillServiceServicer_to_server
from skillbox_common.interceptors import build_chain
from skillbox_common.interceptors.authentication import Access, Public
from skillbox_common.principal import Principal, Scope
from skillbox_common.server import create_server
from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.surface import all_services
from tests.gateway import servicers
from tests.support.parts import free_port

TOKEN = "sk-good"
READINESS = "/skillbox.executor.v1.ReadinessService/GetReadiness"


class OneKey:
    """Knows `TOKEN` and nobody else."""

    async def introspect(self, token: str) -> Principal | None:
        if token != TOKEN:
            return None
        return Principal(key_id="key", tenant_id="tenant", scopes=frozenset({Scope.ADMIN}))


@dataclass
class Backend:
    """Three running services.

    Attributes:
        servers: Address of each, by the name of its cluster.
    """

    executions: servicers.Executions = field(default_factory=servicers.Executions)
    readiness: servicers.Readiness = field(default_factory=servicers.Readiness)
    uploads: servicers.SkillsRest = field(default_factory=servicers.SkillsRest)
    servers: dict[str, str] = field(default_factory=dict)

    def settings(self, **others: Any) -> GatewaySettings:
        """Returns settings that lead here, on a free port of the loopback."""
        values = {f"{name}_address": address for name, address in self.servers.items()}
        return GatewaySettings(
            **{"api_host": "127.0.0.1", "api_port": free_port(), **values, **others}
        )


def _access() -> dict[str, Access]:
    methods: dict[str, Access] = {
        f"/{service.name}/{method.name}": Scope.ADMIN
        for service in all_services()
        for method in service.descriptor.method
    }
    return {**methods, READINESS: Public.PUBLIC}


@asynccontextmanager
async def serve(
    *register: Callable[[grpc.aio.Server], None], address: str = "127.0.0.1:0"
) -> AsyncIterator[str]:
    """Runs one service; yields its address."""
    server = create_server(build_chain(OneKey(), _access()))
    for add in register:
        add(server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection(
        ("skillbox.executor.v1.ReadinessService", reflection.SERVICE_NAME), server
    )
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    """Runs all three services."""
    running = Backend()

    # What is ignored below: methods that no test calls are not written.
    def auth(server: Any) -> None:
        add_ApiKeyServiceServicer_to_server(servicers.Keys(), server)  # type: ignore[abstract]
        add_FallbackRestServiceServicer_to_server(servicers.Fallback(), server)
        introspection_grpc.add_IntrospectionServiceServicer_to_server(
            introspection_grpc.IntrospectionServiceServicer(),  # type: ignore[abstract]
            server,
        )

    def registry(server: Any) -> None:
        add_SkillServiceServicer_to_server(servicers.Skills(), server)  # type: ignore[abstract]
        add_SkillRestServiceServicer_to_server(running.uploads, server)

    def executor(server: Any) -> None:
        add_ExecutionRestServiceServicer_to_server(running.executions, server)
        add_ReadinessServiceServicer_to_server(running.readiness, server)

    async with serve(auth) as one, serve(registry) as two, serve(executor) as three:
        running.servers.update(auth=one, registry=two, executor=three)
        yield running
