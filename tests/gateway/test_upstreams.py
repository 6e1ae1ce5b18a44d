"""Several replicas, one, and none."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

from skillbox.executor.v1 import readiness_service_pb2 as readiness
from skillbox.executor.v1 import readiness_service_pb2_grpc as readiness_grpc
from skillbox.registry.v1.skill_service_pb2 import GetSkillRequest
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub
from skillbox_gateway.config import GatewaySettings
from tests.gateway.backend import serve
from tests.gateway.conftest import AUTHORIZED
from tests.support.envoy import run_gateway
from tests.support.parts import free_port

UNAVAILABLE = '{"error":"service_unavailable","message":"the service is not available"}'


class Named(readiness_grpc.ReadinessServiceServicer):
    def __init__(self, name: str) -> None:
        self._name = name

    async def GetReadiness(self, request: Any, context: Any) -> readiness.GetReadinessResponse:
        return readiness.GetReadinessResponse(status=self._name)

    def add_to(self, server: grpc.aio.Server) -> None:
        readiness_grpc.add_ReadinessServiceServicer_to_server(self, server)


def settings(executor_address: str) -> GatewaySettings:
    nobody = f"127.0.0.1:{free_port()}"
    return GatewaySettings(
        api_host="127.0.0.1",
        api_port=free_port(),
        auth_address=nobody,
        registry_address=nobody,
        executor_address=executor_address,
    )


async def names(client: httpx.AsyncClient) -> set[str]:
    """Asks many times; every call has to succeed."""
    replies = [await client.get("/ready") for _ in range(40)]
    assert {reply.status_code for reply in replies} == {200}
    return {reply.json()["status"] for reply in replies}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_replicas_share_the_load_and_one_may_end(host: str) -> None:
    async with AsyncExitStack() as one, AsyncExitStack() as two:
        a = await one.enter_async_context(serve(Named("a").add_to))
        b = await two.enter_async_context(serve(Named("b").add_to))
        replicas = f"{a},{b}".replace("127.0.0.1", host)
        async with (
            run_gateway(settings(replicas)) as gateway,
            httpx.AsyncClient(base_url=gateway.url) as client,
        ):
            assert await names(client) == {"a", "b"}
            await two.aclose()
            assert await names(client) == {"a"}


async def test_replicas_that_do_not_listen_yet_get_nothing() -> None:
    """Who has no calls seems the best choice, so that the living one must be the only one."""
    nobody = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    async with (
        serve(Named("lives").add_to) as address,
        run_gateway(settings(",".join([address, *nobody]))) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        replies = await asyncio.gather(*(client.get("/ready") for _ in range(60)))
    assert {(reply.status_code, reply.json().get("status")) for reply in replies} == {
        (200, "lives")
    }


async def test_a_service_that_is_down_and_comes_back() -> None:
    port = free_port()
    async with (
        run_gateway(settings(f"127.0.0.1:{port}")) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=AUTHORIZED) as client,
        grpc.aio.insecure_channel(gateway.address) as channel,
    ):
        for request in (
            client.build_request("GET", "/ready"),
            client.build_request("GET", "/v1/skills/a/1"),
            client.build_request("GET", "/v1/executions/a/logs"),
            client.build_request("POST", "/v1/executions", json={}),
            client.build_request("POST", "/v1/skills", content=b"zip"),
        ):
            reply = await client.send(request)
            assert (reply.status_code, reply.text) == (503, UNAVAILABLE)
            assert reply.headers["content-type"] == "application/json"
            assert reply.headers["x-request-id"]

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await SkillServiceStub(channel).GetSkill(GetSkillRequest(name="a"))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert not str(caught.value.details()).startswith("{")

        assert (await client.get("/health")).text == '{"status":"ok"}'
        async with serve(Named("back").add_to, address=f"127.0.0.1:{port}"), asyncio.timeout(10):
            while (reply := await client.get("/ready")).status_code != 200:
                assert (reply.status_code, reply.text) == (503, UNAVAILABLE)
                await asyncio.sleep(0.05)
            assert reply.text == '{"status":"back"}'
