"""Nothing that can be long is held back in Envoy, and what is too long is refused."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest

from tests.gateway.backend import TOKEN, Backend
from tests.support.envoy import Gateway

MIB = 1024 * 1024


async def until(condition: asyncio.Event) -> None:
    await asyncio.wait_for(condition.wait(), 20)


async def test_logs_arrive_as_they_are_printed(rest: httpx.AsyncClient, backend: Backend) -> None:
    async with rest.stream("GET", "/v1/executions/a/logs?follow=true") as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        pieces = reply.aiter_bytes()
        assert await anext(pieces) == b"one\n"
        backend.executions.go_on.set()
        assert b"".join([piece async for piece in pieces]) == b"two\n"


async def test_finished_logs(rest: httpx.AsyncClient) -> None:
    reply = await rest.get("/v1/executions/a/logs")
    assert (reply.status_code, reply.content) == (200, b"one\ntwo\n")


async def test_an_empty_first_piece_sets_the_content_type(rest: httpx.AsyncClient) -> None:
    reply = await rest.get("/v1/executions/silent/logs")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"


async def test_server_sent_events(rest: httpx.AsyncClient, backend: Backend) -> None:
    headers = {"Last-Event-ID": "41"}
    async with rest.stream("GET", "/v1/executions/a/events", headers=headers) as reply:
        assert reply.headers["content-type"] == "text/event-stream"
        pieces = reply.aiter_bytes()
        assert await anext(pieces) == b"id: 41\n\n"
        backend.executions.go_on.set()
        assert b"".join([piece async for piece in pieces]) == b"event: finished\n\n"


async def test_a_caller_that_leaves_cancels_the_call(
    rest: httpx.AsyncClient, backend: Backend
) -> None:
    backend.executions.cancelled.clear()
    async with rest.stream("GET", "/v1/executions/a/logs?follow=true") as reply:
        await anext(reply.aiter_bytes())
        assert not backend.executions.cancelled.is_set()
        # Over HTTP/2 this client does not tell that it lost interest in one stream.
        await rest.aclose()
    await until(backend.executions.cancelled)


async def test_a_download(rest: httpx.AsyncClient) -> None:
    reply = await rest.get("/v1/skills/a/1/archive")
    assert reply.headers["content-type"] == "application/zip"
    assert reply.content == b"".join(bytes([number]) * 256 * 1024 for number in range(64))


async def test_an_upload_reaches_the_service_while_it_runs(
    rest: httpx.AsyncClient, backend: Backend
) -> None:
    async def body() -> AsyncIterator[bytes]:
        backend.uploads.received = 0
        for sent in (1, 2, 3):
            yield bytes(MIB)
            async with asyncio.timeout(20):
                # The transcoder makes messages of a whole MiB, so the last bytes may lag.
                while backend.uploads.received < (sent - 1) * MIB:  # noqa: ASYNC110 - one reader
                    await asyncio.sleep(0.01)

    reply = await rest.post("/v1/skills", content=body(), headers={"content-type": "a/b; c=d"})
    assert (reply.status_code, reply.json()["size"]) == (201, 3 * MIB)
    assert reply.json()["type"] == "a/b; c=d"


async def test_a_large_upload_leaves_memory_flat(envoy: Gateway, http1: httpx.AsyncClient) -> None:
    process = psutil.Process(envoy.process.pid)

    async def body(size: int) -> AsyncIterator[bytes]:
        for _ in range(size):
            yield bytes(MIB)

    await http1.post("/v1/skills", content=body(50))
    before = process.memory_info().rss
    reply = await http1.post("/v1/skills", content=body(100))
    assert reply.json()["size"] == 100 * MIB
    # The service's limit for a message is 4 MiB.
    assert reply.json()["largest"] <= 4 * MIB
    assert process.memory_info().rss - before < 16 * MIB


@pytest.mark.parametrize("token", [None, "sk-bad"])
async def test_an_upload_without_a_key_is_refused_before_its_body(
    envoy: Gateway, token: str | None
) -> None:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    async with envoy.connect() as (reader, writer):
        writer.write(
            f"POST /v1/skills HTTP/1.1\r\nHost: a\r\n{authorization}"
            "Content-Type: application/zip\r\nContent-Length: 52428800\r\n\r\n".encode()
        )
        reply = await reader.readuntil(b"}")
    assert reply.startswith(b"HTTP/1.1 401 Unauthorized\r\n")


async def test_expect_100_continue(envoy: Gateway) -> None:
    async with envoy.connect() as (reader, writer):
        writer.write(
            f"POST /v1/skills HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n"
            "Content-Type: a/b\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"zip")
        reply = await reader.readuntil(b"}")
    assert reply.startswith(b"HTTP/1.1 201 Created\r\n")


TOO_LARGE = '{"error":"too_large","message":"the request body is too large"}'


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/v1/executions", 4 * MIB),
        ("POST", "/v1/api-keys", MIB // 4),
        ("POST", "/v1/executions/a:cancel", MIB // 4),
        ("GET", "/ready", MIB // 4),
        ("GET", "/v1/skills", MIB // 4),
        ("DELETE", "/v1/skills/a/1", MIB // 4),
    ],
)
async def test_a_body_that_is_too_large(
    rest: httpx.AsyncClient, method: str, path: str, limit: int
) -> None:
    body = b'{"x":"%s"}' % (b"a" * (limit - 8))
    assert len(body) == limit
    assert (await rest.request(method, path, content=body)).status_code < 300
    reply = await rest.request(method, path, content=body + b" ")
    assert (reply.status_code, reply.text) == (413, TOO_LARGE)

    async def chunked() -> AsyncIterator[bytes]:
        yield body
        yield b" "

    reply = await rest.request(method, path, content=chunked())
    assert (reply.status_code, reply.text) == (413, TOO_LARGE)
