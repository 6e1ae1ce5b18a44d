"""The health check of the images tells the truth, and costs next to nothing."""

import asyncio
import os
import resource
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2_grpc

# The types name the other servicer only.
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.deploy.compose_stack import ROOT
from tests.support.parts import free_port

PROBE = ROOT / "deploy/images/probe"


@asynccontextmanager
async def health(status: int) -> AsyncIterator[int]:
    """Serves a health service that says one thing; yields its port."""
    server = grpc.aio.server()
    servicer = health_aio.HealthServicer()
    await servicer.set("", status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """Answers whatever is asked with the same bytes; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # All of it: a socket that is closed with something unread drops what it has sent.
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def start(home: Path, *arguments: str | int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        PROBE,
        *map(str, arguments),
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(home), "PATH": f"{home}:{os.environ['PATH']}"},
    )


async def probe(*arguments: str | int) -> bool:
    """Asks as the first check of a container does."""
    with tempfile.TemporaryDirectory() as home:
        process = await start(Path(home), *arguments)
        async with asyncio.timeout(10):
            return await process.wait() == 0


@pytest.mark.parametrize(
    ("status", "healthy"),
    [(HealthCheckResponse.SERVING, True), (HealthCheckResponse.NOT_SERVING, False)],
)
async def test_it_says_what_the_health_service_says(status: int, healthy: bool) -> None:
    async with health(status) as port:
        assert await probe("grpc", port) is healthy


async def test_an_error_is_no_health() -> None:
    server = grpc.aio.server()  # without a health service
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert not await probe("grpc", port)
    finally:
        await server.stop(None)


@pytest.mark.parametrize(
    ("reply", "healthy"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n200", False),
        (b"", False),
    ],
)
async def test_http(reply: bytes, healthy: bool) -> None:
    async with answering(reply) as port:
        assert await probe("http", port, "/_ping", 200) is healthy


@pytest.mark.parametrize("arguments", [("grpc",), ("http",)])
async def test_nobody_listens(arguments: tuple[str]) -> None:
    assert not await probe(*arguments, free_port(), "/", "200")


async def test_bytes_of_something_else_are_no_health() -> None:
    async with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert not await probe("grpc", port)


async def test_it_costs_little() -> None:
    async with health(HealthCheckResponse.SERVING) as port:
        used = []
        for _ in range(10):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert await probe("grpc", port)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # A Python that does nothing takes more.
    assert median(used) < 0.01


async def test_what_is_healthy_is_asked_again_after_a_while(tmp_path: Path) -> None:
    slept = tmp_path / "slept"
    sleep = tmp_path / "sleep"
    sleep.write_text(f"#!/bin/sh\necho $1 >>{slept}\n")
    sleep.chmod(0o755)

    async with health(HealthCheckResponse.SERVING) as port:
        assert await (await start(tmp_path, "grpc", port)).wait() == 0
        assert not slept.exists()
        assert await (await start(tmp_path, "grpc", port)).wait() == 0
    assert slept.read_text() == "20\n"

    assert await (await start(tmp_path, "grpc", port)).wait() == 1
    assert await (await start(tmp_path, "grpc", port)).wait() == 1
    # Only the first of these had heard that all is well.
    assert slept.read_text() == "20\n20\n"
