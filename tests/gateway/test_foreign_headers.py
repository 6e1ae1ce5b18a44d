"""Headers that HTTP allows and gRPC does not: over REST they must not break a call."""

import json

import httpx
import pytest

from tests.support.envoy import Gateway


@pytest.mark.parametrize(
    "header",
    [
        # Of gRPC itself.
        *(b"grpc-timeout: 1n", b"grpc-timeout: x", b"grpc-encoding: x", b"trace-bin: no base64!"),
        b"grpc-internal-encoding-request: x",
        # Letters that a name of gRPC cannot have.
        *(b"a!b: c", b"a~: b", b"#$%&'*+^`|: a"),
        # A name that is all right; its value has to be text.
        b"content-type: \xc4",
    ],
)
async def test_a_foreign_header_changes_nothing(envoy: Gateway, header: bytes) -> None:
    async with envoy.connect() as (reader, writer):
        writer.write(
            b"POST /v1/executions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sk-good\r\n"
            b"Content-Length: 2\r\nConnection: close\r\n%s\r\n\r\n{}" % header
        )
        reply = await reader.read()
    assert reply.startswith(b"HTTP/1.1 200 "), reply
    assert reply.endswith(b"{}"), reply


async def test_other_headers_arrive(http1: httpx.AsyncClient) -> None:
    headers = {"traceparent": "00-1-2-03", "x-tenant-id": "tenant", "a.b-c9": "d"}
    reply = await http1.get("/v1/skills/metadata/1", headers=headers)
    assert headers.items() <= json.loads(reply.json()["instructions"]).items()
