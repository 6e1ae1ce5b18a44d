"""Envoy as the edge: what it does not let in, and what it does not let out."""

import asyncio
import json
import re

import httpx
import psutil
import pytest

from tests.gateway.backend import Backend
from tests.gateway.conftest import AUTHORIZED
from tests.support.envoy import Gateway, run_gateway
from tests.support.parts import free_port

EXHAUSTED = '{"error":"resource_exhausted","message":"too many requests"}'


async def send(gateway: Gateway, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Sends bytes as they are; returns the status, the JSON and the headers of the reply."""
    async with gateway.connect() as (reader, writer):
        writer.write(request)
        reply = await reader.readuntil(b"}")
    head, _, body = reply.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body), head


async def test_no_banner(rest: httpx.AsyncClient) -> None:
    for path in ("/health", "/ready", "/nope", "/v1/skills/missing/1", "/v1/executions/a/logs"):
        reply = await rest.get(path)
        assert "server" not in reply.headers
        assert not [name for name in reply.headers if name.startswith(("x-envoy-", "grpc-"))]
        assert "envoy" not in str(reply.headers).lower()


async def test_what_services_see(rest: httpx.AsyncClient) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    reply = await rest.get(
        "/v1/skills/metadata/1",
        headers={
            "traceparent": trace,
            "X-Request-ID": "r-1",
            "X-Tenant-ID": "tenant",
            "X-Envoy-Original-Method": "forged",
            "X-Envoy-Original-Path": "/forged",
            "X-Envoy-Retry-On": "5xx",
            "X-Envoy-Upstream-RQ-Timeout-MS": "1",
            "X-HTTP-Code": "500",
            "X-REST-Error": "{}",
            "under_score": "1",
        },
    )
    assert reply.status_code == 200
    seen = json.loads(reply.json()["instructions"])
    assert seen["traceparent"] == trace
    assert seen["x-request-id"] == "r-1"
    assert seen["x-tenant-id"] == "tenant"
    assert seen["x-envoy-original-method"] == "GET"
    assert seen["x-envoy-original-path"] == "/v1/skills/metadata/1"
    assert not {"x-http-code", "x-rest-error", "under_score", "x-envoy-retry-on"} & set(seen)
    assert "x-envoy-upstream-rq-timeout-ms" not in seen


@pytest.mark.parametrize(
    "path", ["//v1//skills", "/v1/./skills", "/v1/nope/../skills", "/v1/nope/%2e%2e/skills"]
)
async def test_paths_are_normalised(envoy: Gateway, path: str) -> None:
    key = AUTHORIZED["Authorization"]
    async with envoy.connect() as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {key}\r\n\r\n".encode())
        reply = await reader.readuntil(b"[]")
    assert reply.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        (b"GET /v1/skills HTTP/1.1", b"Authorization: " + b"a" * 61 * 1024, 431),
        (b"GET /v1/skills HTTP/1.1", b"\r\n".join(b"a%d: b" % n for n in range(101)), 431),
        (b"GET /health HTTP/1.0", b"a: b", 426),
        (b"GET /health HTTP/1.1", b"b d: x", 400),
        (b"CONNECT /health HTTP/1.1", b"a: b", 400),
        (b"CONNECT a:80 HTTP/1.1", b"a: b", 404),
        (b"GET /health HTTP/1.1", b"Connection: upgrade\r\nUpgrade: websocket", 403),
        (b"POST /v1/executions HTTP/1.1", b"Transfer-Encoding: gzip", 400),
        (b"POST /v1/executions HTTP/1.1", b"Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        (b"POST /v1/executions HTTP/1.1", b"Content-Length: 1\r\nContent-Length: 2", 400),
        (b"GET http://[ HTTP/1.1", b"a: b", 400),
        (b"GET /health#fragment HTTP/1.1", b"a: b", 400),
        (b"GET /health#fragment HTTP/1.1", b"X-Request-ID: mine", 400),
        (b"GARBAGE", b"a: b", 400),
    ],
)
async def test_what_is_no_clean_request(
    envoy: Gateway, request_line: bytes, headers: bytes, status: int
) -> None:
    request = request_line + b"\r\nHost: a\r\n" + headers + b"\r\n\r\n"
    got, error, head = await send(envoy, request)
    code = "not_found" if status == 404 else "bad_request"
    assert (got, error["error"], list(error)) == (status, code, ["error", "message"])
    assert re.search(rb"\r\nx-request-id: (mine|[0-9a-f-]{36})(\r\n|$)", head)
    assert not re.search(rb"\r\n(x-local-reply|server|x-envoy-[^:]*): ", head)


@pytest.mark.parametrize("content_type", ["application/grpc-web", "application/grpc-web+proto"])
async def test_grpc_web_is_no_grpc(rest: httpx.AsyncClient, content_type: str) -> None:
    reply = await rest.post("/nope", headers={"content-type": content_type})
    assert (reply.status_code, reply.json()["error"]) == (404, "not_found")
    reply = await rest.get("/v1/skills/missing/1", headers={"content-type": content_type})
    assert (reply.status_code, reply.json()["error"]) == (404, "not_found")


async def test_grpc_is_post(http1: httpx.AsyncClient) -> None:
    reply = await http1.request(
        "PUT",
        "/skillbox.registry.v1.SkillService/GetSkill",
        headers={"content-type": "application/grpc"},
    )
    assert (reply.status_code, reply.headers["grpc-status"]) == (200, "12")


def listening(gateway: Gateway) -> set[tuple[object, ...]]:
    connections = psutil.Process(gateway.process.pid).net_connections("inet")
    return {tuple(item.laddr) for item in connections if item.status == psutil.CONN_LISTEN}


async def test_only_the_api_listens_beyond_loopback(backend: Backend) -> None:
    admin = free_port()
    settings = backend.settings(api_host="0.0.0.0", admin_port=admin)
    async with run_gateway(settings) as gateway:
        assert listening(gateway) == {("0.0.0.0", settings.api_port), ("127.0.0.1", admin)}


async def test_admin_is_off_by_default(envoy: Gateway) -> None:
    host, _, port = envoy.address.rpartition(":")
    assert listening(envoy) == {(host, int(port))}


async def test_a_port_that_is_taken_is_told(envoy: Gateway, backend: Backend) -> None:
    port = int(envoy.address.rpartition(":")[2])
    async with run_gateway(backend.settings(api_port=port)) as second:
        # `/health` was answered by the Envoy that holds the port.
        assert await asyncio.wait_for(second.process.wait(), 20) == 1
        assert f"cannot bind '127.0.0.1:{port}': Address already in use" in second.log()


async def test_the_rate_is_limited_for_each_client(backend: Backend) -> None:
    async with (
        run_gateway(backend.settings(rate_limit=5, trusted_proxies=1)) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=AUTHORIZED, timeout=30) as client,
    ):

        async def ask(address: str) -> httpx.Response:
            return await client.get("/v1/skills", headers={"X-Forwarded-For": address})

        # A burst of twice the rate, then the rate itself, which those at once exceed.
        assert [(await ask("192.0.2.1")).status_code for _ in range(10)] == [200] * 10
        replies = await asyncio.gather(*(ask("192.0.2.1") for _ in range(60)))
        statuses = [reply.status_code for reply in replies]
        assert 429 in statuses
        refused = replies[statuses.index(429)]
        assert (refused.text, refused.headers["retry-after"]) == (EXHAUSTED, "1")
        assert refused.headers["content-type"] == "application/json"
        assert refused.headers["x-request-id"]
        assert not [name for name in refused.headers if name.startswith("x-envoy-")]
        assert (await ask("192.0.2.2")).status_code == 200
