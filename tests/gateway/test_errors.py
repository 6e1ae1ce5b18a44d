"""Replies that fail: always `{"error","message"}` with the right status."""

import httpx
import pytest

from tests.gateway.test_replies import assert_json

NOT_FOUND = '{"error":"not_found","message":"no such method and path"}'
UNAVAILABLE = '{"error":"service_unavailable","message":"the service is not available"}'
EXHAUSTED = '{"error":"resource_exhausted","message":"too many requests"}'
INTERNAL = '{"error":"internal_error","message":"internal error"}'


async def test_a_catalogued_error(rest: httpx.AsyncClient) -> None:
    body = r'{"error":"not_found","message":"skill not found: \"1\" \u00fcber\n\\"}'
    assert_json(await rest.get("/v1/skills/missing/1"), 404, body)


@pytest.mark.parametrize("name", ["busy", "busy-after-headers"])
async def test_retry_after_is_kept(rest: httpx.AsyncClient, name: str) -> None:
    reply = await rest.get(f"/v1/skills/{name}/1")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
    assert reply.text == '{"error":"resource_exhausted","message":"busy"}'


async def test_a_stream_that_fails_at_once(rest: httpx.AsyncClient) -> None:
    body = '{"error":"not_found","message":"execution not found"}'
    assert_json(await rest.get("/v1/executions/missing/logs"), 404, body)


async def test_a_fault_tells_nothing(rest: httpx.AsyncClient) -> None:
    assert_json(await rest.get("/v1/skills/bug/1"), 500, INTERNAL)


@pytest.mark.parametrize("name", ["uncatalogued", "uncatalogued-after-headers"])
@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        ("UNAVAILABLE", 503, UNAVAILABLE),
        ("DEADLINE_EXCEEDED", 503, UNAVAILABLE),
        ("CANCELLED", 503, UNAVAILABLE),
        ("RESOURCE_EXHAUSTED", 429, EXHAUSTED),
        ("UNIMPLEMENTED", 404, NOT_FOUND),
        ("INTERNAL", 500, INTERNAL),
        ("UNKNOWN", 500, INTERNAL),
        ("INVALID_ARGUMENT", 500, INTERNAL),
    ],
)
async def test_an_error_of_grpc_itself(
    rest: httpx.AsyncClient, name: str, code: str, status: int, body: str
) -> None:
    assert_json(await rest.get(f"/v1/skills/{name}/{code}"), status, body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nope"),
        ("GET", "/v1"),
        ("GET", "/v1nope"),
        ("GET", "/v1/nope"),
        ("GET", "/V1/skills"),
        ("GET", "/v1/Skills"),
        ("PUT", "/v1/skills"),
        ("TRACE", "/v1/skills/a/1"),
        ("OPTIONS", "/v1/skills"),
        ("POST", "/health"),
        ("GET", "/health/more"),
        ("GET", "/v1/executions/a/logs/more"),
        ("POST", "/v1/executions/a:explode"),
        # By their gRPC names the services are there for gRPC only.
        ("POST", "/skillbox.registry.v1.SkillService/ListSkills"),
        ("POST", "/skillbox.auth.v1.IntrospectionService/Introspect"),
        ("POST", "/grpc.health.v1.Health/Check"),
    ],
)
async def test_unknown_paths(rest: httpx.AsyncClient, method: str, path: str) -> None:
    assert_json(await rest.request(method, path), 404, NOT_FOUND)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/skills/a/1?x=1", r"unknown query parameter \"x\""),
        ("/v1/skills?verbose=true", r"unknown query parameter \"verbose\""),
        ("/v1/api-keys?a%22b%5C=1", r"unknown query parameter \"a%22b%5C\""),
        ("/v1/api-keys?page_size=abc", r"page_size: invalid value \"abc\" for type TYPE_INT32"),
    ],
)
async def test_bad_query_parameters(rest: httpx.AsyncClient, path: str, message: str) -> None:
    reply = await rest.get(path)
    assert reply.text == f'{{"error":"bad_request","message":"{message}"}}'
    assert (reply.status_code, reply.headers["content-type"]) == (400, "application/json")


@pytest.mark.parametrize(
    "body",
    [
        b"{bad",
        b"[1]",
        b"null",
        b'"text"',
        b'{"name":5}',
        b'{"name":"a"} x',
        b'{"name":"\xff"}',
        b'{"ttl":"soon"}',
        b'{"scopes":' * 10_000,
        b"\x00",
    ],
)
async def test_bad_json(rest: httpx.AsyncClient, body: bytes) -> None:
    reply = await rest.post("/v1/api-keys", content=body)
    error = reply.json()
    assert (reply.status_code, error["error"]) == (400, "bad_request")
    assert error["message"].startswith("invalid JSON body: ")
    assert list(error) == ["error", "message"]
    assert reply.headers["content-type"] == "application/json"


async def test_a_body_does_not_override_the_path(rest: httpx.AsyncClient) -> None:
    reply = await rest.request("DELETE", "/v1/skills/a/1", json={"version": "2"})
    assert (reply.status_code, reply.json()["error"]) == (400, "bad_request")
