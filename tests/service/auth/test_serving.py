"""The service as a process: migration, health, reflection, bootstrap, shutdown."""

import asyncpg
import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from skillbox.auth.v1.api_key_service_pb2 import ListApiKeysRequest
from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from skillbox.auth.v1.introspection_service_pb2 import IntrospectRequest, IntrospectResponse
from skillbox.auth.v1.introspection_service_pb2_grpc import IntrospectionServiceStub
from skillbox_auth.main import SCHEMA
from skillbox_common.migrate import migrate
from tests.service.auth.conftest import BOOTSTRAP_KEY, BOOTSTRAP_TENANT
from tests.support.failures import Failure, failure
from tests.support.parts import free_port
from tests.support.services import Service, health, run_service

BOOTSTRAP = {
    "SKILLBOX_BOOTSTRAP_API_KEY": "any string will do",
    "SKILLBOX_BOOTSTRAP_TENANT": "acme",
}


async def introspect(service: Service, token: str) -> IntrospectResponse:
    async with grpc.aio.insecure_channel(service.address) as channel:
        reply: IntrospectResponse = await IntrospectionServiceStub(channel).Introspect(
            IntrospectRequest(token=token)
        )
        return reply


async def test_reflection_lists_the_services(auth: Service) -> None:
    async with grpc.aio.insecure_channel(auth.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        async for reply in stub.ServerReflectionInfo(iter([request])):
            listed = {service.name for service in reply.list_services_response.service}
    assert listed == {
        "skillbox.auth.v1.ApiKeyService",
        "skillbox.auth.v1.FallbackRestService",
        "skillbox.auth.v1.IntrospectionService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


@pytest.mark.parametrize("environment", [{}, BOOTSTRAP], ids=["plain", "bootstrap"])
async def test_an_unmigrated_schema_is_named_and_heals(
    dsn: str, environment: dict[str, str]
) -> None:
    environment = {"SKILLBOX_DB_DSN": dsn, **environment}
    async with run_service(
        "skillbox_auth", environment, migrate=False, until_serving=False
    ) as service:
        await service.until_logged("this server needs 0001")
        assert "the schema is at revision none" in service.log()
        assert "python -m skillbox_auth migrate" in service.log()
        assert await health(service.address) == health_pb2.HealthCheckResponse.NOT_SERVING
        await migrate("skillbox_auth", dsn, SCHEMA)
        await service.until_logged('"serving": true')
        assert await health(service.address) == health_pb2.HealthCheckResponse.SERVING


async def test_a_database_that_is_away_is_waited_for() -> None:
    environment = {"SKILLBOX_DB_DSN": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    async with run_service(
        "skillbox_auth", environment, migrate=False, until_serving=False
    ) as service:
        await service.until_logged("the database does not answer")
        assert await health(service.address) == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_the_bootstrap_key_is_made_once_and_stays_revoked(dsn: str) -> None:
    environment = {"SKILLBOX_DB_DSN": dsn, **BOOTSTRAP}
    token = BOOTSTRAP["SKILLBOX_BOOTSTRAP_API_KEY"]
    async with run_service("skillbox_auth", environment) as service:
        first = await introspect(service, token)
        assert (first.active, first.tenant_id) == (True, "acme")
        assert list(first.scopes) == ["admin"]
        log = service.log()
    database = await asyncpg.connect(dsn)
    # What was collected is written at the end, too.
    assert await database.fetchval("SELECT last_used_at FROM auth.api_keys") is not None
    async with run_service("skillbox_auth", environment, migrate=False) as service:
        assert await introspect(service, token) == first
        log += service.log()
    assert await database.fetchval("SELECT count(*) FROM auth.api_keys") == 1
    await database.execute("UPDATE auth.api_keys SET revoked_at = now()")
    await database.close()
    async with run_service("skillbox_auth", environment, migrate=False) as service:
        assert not (await introspect(service, token)).active
        log += service.log()
    assert token not in log


async def test_the_bootstrap_key_of_another_tenant_is_not_taken_over(
    auth: Service, auth_dsn: str
) -> None:
    environment = {
        "SKILLBOX_DB_DSN": auth_dsn,
        "SKILLBOX_BOOTSTRAP_API_KEY": BOOTSTRAP_KEY,
        "SKILLBOX_BOOTSTRAP_TENANT": "other",
    }
    async with run_service(
        "skillbox_auth", environment, migrate=False, until_serving=False
    ) as service:
        await service.until_logged("SKILLBOX_BOOTSTRAP_TENANT: 'other' is not valid")
        assert await health(service.address) == health_pb2.HealthCheckResponse.NOT_SERVING
    assert (await introspect(auth, BOOTSTRAP_KEY)).tenant_id == BOOTSTRAP_TENANT


async def test_a_fault_is_told_without_any_detail(dsn: str) -> None:
    environment = {"SKILLBOX_DB_DSN": dsn, **BOOTSTRAP}
    async with run_service("skillbox_auth", environment) as service:
        database = await asyncpg.connect(dsn)
        await database.execute("ALTER TABLE auth.api_keys RENAME TO broken")
        await database.close()
        assert await failure(introspect(service, "x")) == Failure(
            grpc.StatusCode.INTERNAL, "INTERNAL", "internal error"
        )
        assert "UndefinedTableError" in service.log()


async def test_a_transcoded_call_gets_the_finished_rest_error(auth: Service) -> None:
    async with grpc.aio.insecure_channel(auth.address) as channel:
        call = ApiKeyServiceStub(channel).ListApiKeys(
            ListApiKeysRequest(), metadata=(("x-envoy-original-method", "GET"),)
        )
        trailers = dict(await call.trailing_metadata())
    assert trailers["x-http-code"] == "401"
    assert trailers["x-rest-error"] == (
        '{"error":"unauthorized","message":"missing Authorization header"}'
    )
