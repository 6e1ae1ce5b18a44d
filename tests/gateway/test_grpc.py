"""Native gRPC on the same port: untouched by all that is done for REST."""

import asyncio
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from skillbox.auth.v1 import introspection_service_pb2, introspection_service_pb2_grpc
from skillbox.executor.v1 import execution_rest_pb2_grpc
from skillbox.executor.v1.execution_rest_pb2 import GetExecutionLogsRestRequest
from skillbox.executor.v1.readiness_service_pb2 import GetReadinessRequest
from skillbox.executor.v1.readiness_service_pb2_grpc import ReadinessServiceStub
from skillbox.registry.v1 import resolver_service_pb2, resolver_service_pb2_grpc
from skillbox.registry.v1.skill_service_pb2 import DeleteSkillRequest, GetSkillRequest
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub
from tests.gateway.backend import TOKEN, Backend
from tests.gateway.servicers import TEXT

KEY = (("authorization", f"Bearer {TOKEN}"),)


async def failure(call: grpc.aio.UnaryUnaryCall) -> grpc.aio.AioRpcError:  # type: ignore[type-arg]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def trailers(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    # The stubs of grpc call the pairs something else.
    return dict(cast(Any, error.trailing_metadata()))


async def test_a_call(channel: grpc.aio.Channel) -> None:
    call = SkillServiceStub(channel).GetSkill(
        GetSkillRequest(name="echo", version="1"), metadata=KEY
    )
    assert (await call).name == "echo"
    assert dict(await call.initial_metadata())["x-request-id"]


async def test_a_status_for_rest_leaves_grpc_alone(channel: grpc.aio.Channel) -> None:
    request = DeleteSkillRequest(name="echo", version="1")
    call = SkillServiceStub(channel).DeleteSkill(request, metadata=KEY)
    await call
    assert await call.code() == grpc.StatusCode.OK


async def test_not_ready_is_a_normal_reply(channel: grpc.aio.Channel, backend: Backend) -> None:
    backend.readiness.ready = False
    try:
        reply = await ReadinessServiceStub(channel).GetReadiness(GetReadinessRequest())
    finally:
        backend.readiness.ready = True
    assert (reply.status, reply.checks.postgres) == ("not_ready", "timeout")


async def test_an_error_carries_its_details(channel: grpc.aio.Channel) -> None:
    error = await failure(
        SkillServiceStub(channel).GetSkill(
            GetSkillRequest(name="missing", version="1"), metadata=KEY
        )
    )
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert error.details() == 'skill not found: "1" über\n\\'
    assert "x-rest-error" not in trailers(error)
    status = Status.FromString(trailers(error)["grpc-status-details-bin"])
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("skillbox", "SKILL_NOT_FOUND")


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ((), "missing Authorization header"),
        ((("authorization", "Basic x"),), "Authorization header must use Bearer scheme"),
        ((("authorization", "Bearer sk-bad"),), "invalid or revoked API key"),
    ],
)
async def test_no_key(
    channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], text: str
) -> None:
    call = SkillServiceStub(channel).GetSkill(GetSkillRequest(name="a"), metadata=metadata)
    error = await failure(call)
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, text)


async def test_pretending_to_be_transcoded_changes_nothing(channel: grpc.aio.Channel) -> None:
    pretence = (("x-envoy-original-method", "GET"), ("x-envoy-original-path", "/v1"))
    error = await failure(
        SkillServiceStub(channel).GetSkill(
            GetSkillRequest(name="missing", version="1"), metadata=KEY + pretence
        )
    )
    assert "grpc-status-details-bin" in trailers(error)


async def test_a_stream_flows_as_it_is_made(channel: grpc.aio.Channel, backend: Backend) -> None:
    call = execution_rest_pb2_grpc.ExecutionRestServiceStub(channel).GetExecutionLogsRest(
        GetExecutionLogsRestRequest(id="a", follow=True), metadata=KEY
    )
    assert await call.read() == HttpBody(content_type=TEXT, data=b"one\n")
    backend.executions.go_on.set()
    assert await call.read() == HttpBody(data=b"two\n")
    assert await call.code() == grpc.StatusCode.OK


async def test_cancelling_reaches_the_service(channel: grpc.aio.Channel, backend: Backend) -> None:
    backend.executions.cancelled.clear()
    call = execution_rest_pb2_grpc.ExecutionRestServiceStub(channel).GetExecutionLogsRest(
        GetExecutionLogsRestRequest(id="a", follow=True), metadata=KEY
    )
    await call.read()
    call.cancel()
    await asyncio.wait_for(backend.executions.cancelled.wait(), 20)


async def test_health(channel: grpc.aio.Channel) -> None:
    reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection(channel: grpc.aio.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    reply = await call.read()
    await call.done_writing()
    names = {service.name for service in reply.list_services_response.service}
    assert "skillbox.executor.v1.ReadinessService" in names


async def test_internal_services_are_out_of_reach(channel: grpc.aio.Channel) -> None:
    introspect = introspection_service_pb2_grpc.IntrospectionServiceStub(channel).Introspect(
        introspection_service_pb2.IntrospectRequest(token=TOKEN), metadata=KEY
    )
    resolve = resolver_service_pb2_grpc.ResolverServiceStub(channel).ResolveSkill(
        resolver_service_pb2.ResolveSkillRequest(name="a"), metadata=KEY
    )
    for call in (introspect, resolve):
        assert (await failure(call)).code() == grpc.StatusCode.UNIMPLEMENTED
