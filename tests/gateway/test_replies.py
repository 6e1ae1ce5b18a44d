"""Replies that succeed: status, body and headers exactly."""

import uuid

import httpx
import pytest

from tests.gateway.backend import Backend


def body_headers(reply: httpx.Response) -> dict[str, str]:
    """Returns the headers without those that every reply has."""
    assert reply.headers["x-request-id"]
    return {
        name: value for name, value in reply.headers.items() if name not in ("date", "x-request-id")
    }


def assert_json(reply: httpx.Response, status: int, body: str) -> None:
    assert reply.text == body
    assert reply.status_code == status
    assert body_headers(reply) == {
        "content-type": "application/json",
        "content-length": str(len(body.encode())),
    }


async def test_health_needs_no_service(rest: httpx.AsyncClient) -> None:
    assert_json(await rest.get("/health", headers={"Authorization": ""}), 200, '{"status":"ok"}')


async def test_ready(rest: httpx.AsyncClient, backend: Backend) -> None:
    expected = '{"status":"ready","checks":{"postgres":"ok"}}'
    assert_json(await rest.get("/ready", headers={"Authorization": ""}), 200, expected)
    backend.readiness.ready = False
    try:
        expected = '{"status":"not_ready","checks":{"postgres":"timeout"}}'
        assert_json(await rest.get("/ready"), 503, expected)
    finally:
        backend.readiness.ready = True


async def test_a_typed_reply_is_compact_and_keeps_field_names(rest: httpx.AsyncClient) -> None:
    expected = '{"name":"echo","version":"1.0.0","resources":{},"size_bytes":3}'
    assert_json(await rest.get("/v1/skills/echo/1.0.0"), 200, expected)


async def test_a_raw_reply_is_not_touched(rest: httpx.AsyncClient) -> None:
    assert_json(await rest.get("/v1/skills"), 200, "[]")


async def test_a_raw_body_survives(rest: httpx.AsyncClient) -> None:
    body = '{"b":12345678901234567890, "a": 1.0,\n"ü":"\\u00fc"}'
    reply = await rest.post("/v1/executions", content=body.encode())
    assert (reply.status_code, reply.text) == (200, body)


async def test_created_and_unknown_fields(rest: httpx.AsyncClient) -> None:
    reply = await rest.post("/v1/api-keys", json={"name": "ci", "unknown": {"a": [1]}})
    assert_json(reply, 201, '{"api_key":{"name":"ci"},"secret":"sk-1"}')


async def test_an_absent_body_is_an_empty_message(rest: httpx.AsyncClient) -> None:
    assert_json(await rest.post("/v1/api-keys"), 201, '{"api_key":{},"secret":"sk-1"}')


async def test_no_content(rest: httpx.AsyncClient) -> None:
    reply = await rest.delete("/v1/skills/echo/1.0.0")
    assert (reply.status_code, reply.content) == (204, b"")
    assert body_headers(reply) == {}


async def test_query_parameters(rest: httpx.AsyncClient) -> None:
    reply = await rest.get("/v1/executions?page_size=5&skill=a%20b")
    assert_json(reply, 200, '{"page_size":5,"skill":"a b"}')


@pytest.mark.parametrize("kwargs", [{}, {"content": b""}, {"json": {"any": "thing"}}])
async def test_custom_verb(rest: httpx.AsyncClient, kwargs: dict[str, object]) -> None:
    reply = await rest.post("/v1/executions/abc:cancel", **kwargs)  # type: ignore[arg-type]
    assert_json(reply, 200, '{"id":"abc"}')


async def test_a_large_reply(rest: httpx.AsyncClient) -> None:
    size = 12_000_000
    assert len((await rest.get(f"/v1/executions/{size}")).content) == size


async def test_the_request_id_of_the_caller_is_kept(rest: httpx.AsyncClient) -> None:
    for path in ("/health", "/ready", "/v1/skills", "/v1/skills/missing/1", "/nope", "/v1/x?y=1"):
        reply = await rest.get(path, headers={"X-Request-ID": "order-66"})
        assert reply.headers.get_list("x-request-id") == ["order-66"], path


@pytest.mark.parametrize("sent", [{}, {"X-Request-ID": ""}])
async def test_else_it_is_a_new_uuid(rest: httpx.AsyncClient, sent: dict[str, str]) -> None:
    paths = ("/health", "/v1/skills", "/v1/skills/missing/1", "/nope", "/v1/skills/a/1?y=1")
    replies = [await rest.get(path, headers=sent) for path in paths]
    replies.append(await rest.get("/v1/skills", headers={"Authorization": "Basic eA==", **sent}))
    ids = [str(uuid.UUID(reply.headers["x-request-id"])) for reply in replies]
    assert len(set(ids)) == len(ids)
