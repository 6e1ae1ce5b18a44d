"""Requests whose ends are unclear: what two servers could read differently reaches no engine."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.support.socket_proxy import SocketProxy, read_reply, request

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_created")]
CREATE = b"POST /v1.41/containers/create?name=NAME HTTP/1.1\r\nHost: docker\r\n"
SMUGGLED = request(
    "POST",
    "/v1.41/containers/create?name=skillbox-proxy-test",
    b'{"Image": "skillbox/bash", "HostConfig": {"Privileged": true}}',
)


def chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


def head(*lines: str) -> bytes:
    kind = "Content-Type: application/json"
    return CREATE + "\r\n".join([kind, *lines]).encode() + b"\r\n\r\n"


FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "one chunk": lambda text: head("Transfer-Encoding: chunked") + chunks(text),
    "two chunks": lambda text: head("Transfer-Encoding: chunked") + chunks(text[:99], text[99:]),
    "chunk extensions": lambda text: (
        head("Transfer-Encoding: chunked") + chunks(text).replace(b"\r\n", b';a="b"\r\n', 1)
    ),
    "trailers": lambda text: (
        head("Transfer-Encoding: chunked") + chunks(text)[:-2] + b"X: y\r\n\r\n"
    ),
    "chunked in capitals": lambda text: head("TRANSFER-ENCODING: CHUNKED") + chunks(text),
    "chunked twice": lambda text: head("Transfer-Encoding: chunked, chunked") + chunks(text),
    "chunked in two lines": lambda text: (
        head("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + chunks(text)
    ),
    "gzip, chunked": lambda text: head("Transfer-Encoding: gzip, chunked") + chunks(text),
    "chunked, then not": lambda text: head("Transfer-Encoding: chunked, identity") + chunks(text),
    "an unknown encoding": lambda text: (
        head("Transfer-Encoding: xchunked", f"Content-Length: {len(text)}") + text
    ),
    "identity": lambda text: (
        head("Transfer-Encoding: identity", f"Content-Length: {len(text)}") + text
    ),
    "a tab before chunked": lambda text: head("Transfer-Encoding:\tchunked") + chunks(text),
    "a vertical tab before chunked": lambda text: (
        head("Transfer-Encoding: \x0bchunked", f"Content-Length: {len(text)}") + text
    ),
    "a space before the colon": lambda text: (
        head("Transfer-Encoding : chunked", f"Content-Length: {len(text)}") + text
    ),
    "a folded encoding": lambda text: head("Transfer-Encoding:\r\n chunked") + chunks(text),
    "an encoding folded to a header": lambda text: (
        head("X: y\r\n Transfer-Encoding: chunked", f"Content-Length: {len(text) + 1}")
        + text
        + b"\n"
    ),
    "length and chunks": lambda text: (
        head(f"Content-Length: {len(text)}", "Transfer-Encoding: chunked") + chunks(text)
    ),
    "chunks and length": lambda text: (
        head("Transfer-Encoding: chunked", "Content-Length: 5") + chunks(text)
    ),
    "chunks in HTTP/1.0": lambda text: (
        head("Transfer-Encoding: chunked").replace(b"/1.1", b"/1.0") + chunks(text)
    ),
    "two lengths": lambda text: head(f"Content-Length: {len(text)}", "Content-Length: 5") + text,
    "two lengths in a list": lambda text: head(f"Content-Length: {len(text)}, 5") + text,
    "a length with a sign": lambda text: head(f"Content-Length: +{len(text)}") + text,
    "a negative length": lambda text: head("Content-Length: -1") + text,
    "a hexadecimal length": lambda text: head(f"Content-Length: {len(text):#x}") + text,
    "a length with a fraction": lambda text: head(f"Content-Length: {len(text)}.0") + text,
    "a length too large": lambda text: head(f"Content-Length: {1 << 64}") + text,
    "an empty length": lambda text: head("Content-Length:") + text,
    "no length": lambda text: head() + text,
    "a length that is short": lambda text: head(f"Content-Length: {len(text) - 1}") + text,
    "a length that is long": lambda text: head(f"Content-Length: {len(text) + 1}") + text,
    "an end that does not come": lambda text: head(f"Content-Length: {len(text) + 99}") + text,
    "chunks without an end": lambda text: head("Transfer-Encoding: chunked") + chunks(text)[:-5],
    "a NUL in a header": lambda text: head("X: a\0b", f"Content-Length: {len(text)}") + text,
    "a bare CR in a header": lambda text: head("X: a\rb", f"Content-Length: {len(text)}") + text,
    "a header without a name": lambda text: head(": x", f"Content-Length: {len(text)}") + text,
    "a header without a colon": lambda text: head("x", f"Content-Length: {len(text)}") + text,
    "a target with a space": lambda text: (
        head(f"Content-Length: {len(text)}").replace(b" HTTP", b" x HTTP") + text
    ),
    "another protocol": lambda text: (
        head(f"Content-Length: {len(text)}").replace(b"HTTP/1.1", b"HTTP/3.0") + text
    ),
    "HTTP/0.9": lambda text: CREATE.split(b" HTTP")[0] + b"\r\n" + text,
    "HTTP/2 with prior knowledge": lambda text: (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
    ),
    "TLS": lambda text: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + text,
    "a PROXY header": lambda text: (
        b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + head(f"Content-Length: {len(text)}") + text
    ),
    "more than the buffer": lambda text: (
        head(f"Content-Length: {len(text) + 100_000}") + text + b" " * 100_000
    ),
    "much more than the buffer": lambda text: (
        head(f"Content-Length: {len(text) + 8_000_000}") + text + b" " * 8_000_000
    ),
    "headers larger than the buffer": lambda text: (
        head(f"X: {'x' * 100_000}", f"Content-Length: {len(text)}") + text
    ),
}


@pytest.mark.parametrize("frame", FRAMINGS.values(), ids=FRAMINGS.keys())
async def test_a_body_comes_with_one_plain_length(
    proxy: SocketProxy, text: bytes, name: str, frame: Callable[[bytes], bytes]
) -> None:
    reply = await proxy.send(frame(text).replace(b"NAME", name.encode()))
    # Status 0: HAProxy closes the connection over what it does not want to read.
    assert reply.status in (0, 400, 403, 408, 413, 422), reply


UPGRADES = [
    ["Connection: Upgrade", "Upgrade: h2c"],
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"],
    ["Connection: Upgrade", "Upgrade: websocket"],
    ["Connection: Upgrade", "Upgrade: tcp"],
    ["Connection: keep-alive, Upgrade", "Upgrade: TCP"],
]


@pytest.mark.parametrize("headers", UPGRADES)
@pytest.mark.parametrize(
    "line",
    [
        "GET /_ping",
        "GET /v1.41/info",
        "POST /v1.41/containers/NAME/start",
        "POST /v1.41/containers/NAME/wait",
        "POST /v1.41/containers/create?name=NAME",
    ],
)
async def test_nothing_but_attach_becomes_a_plain_connection(
    proxy: SocketProxy, name: str, line: str, headers: list[str]
) -> None:
    method, target = line.replace("NAME", name).split()
    # HAProxy itself knows an incomplete WebSocket handshake for one.
    assert (await proxy.ask(method, target, headers=headers)).status in (400, 403)


@pytest.mark.parametrize("headers", [UPGRADES[0], UPGRADES[3]])
async def test_a_request_with_a_body_becomes_no_plain_connection(
    proxy: SocketProxy, text: bytes, name: str, headers: list[str]
) -> None:
    """HAProxy takes the wish out of it, as an upgrade and a body cannot both follow."""
    reply = await proxy.ask("POST", f"/v1.41/containers/create?name={name}", text, headers)
    await proxy.ask("DELETE", f"/v1.41/containers/{name}?force=1&v=1")
    assert reply.status == 201


@pytest.mark.parametrize("headers", [[], *UPGRADES[:3], [*UPGRADES[3], "Upgrade: h2c"]])
async def test_attach_becomes_nothing_but_a_plain_connection(
    proxy: SocketProxy, name: str, headers: list[str]
) -> None:
    query = "detachKeys=&logs=0&stdin=1&stdout=1&stderr=1&stream=1"
    target = f"/v1.41/containers/{name}/attach?{query}"
    assert (await proxy.ask("POST", target, headers=headers)).status in (400, 403)


async def test_what_follows_a_request_is_another_request(proxy: SocketProxy, name: str) -> None:
    query = "detachKeys=&logs=0&stdin=1&stdout=1&stderr=1&stream=1"
    upgrade = ["Connection: Upgrade", "Upgrade: tcp"]
    target = f"/v1.41/containers/{name}/attach?{query}"
    for first, status in (
        (request("GET", "/_ping"), 200),
        # To a container that is not there: no connection is handed over.
        (request("POST", target, headers=upgrade), 404),
    ):
        async with proxy.connect() as (reader, writer):
            writer.write(first + SMUGGLED)
            assert (await read_reply(reader)).status == status
            assert (await read_reply(reader)).status in (0, 403)


@pytest.mark.parametrize("line", ["GET /_ping", "GET /v1.41/info"])
async def test_a_request_hides_no_other_in_its_body(proxy: SocketProxy, line: str) -> None:
    method, target = line.split()
    chunked = request(method, target, headers=["Transfer-Encoding: chunked"])
    for raw in (
        request(method, target, SMUGGLED),
        chunked.replace(b"Content-Length: 0\r\n", b"") + chunks(SMUGGLED),
        chunked.replace(b"Content-Length: 0", b"Content-Length: 4") + b"0\r\n\r\n" + SMUGGLED,
        chunked + b"0\r\n\r\n" + SMUGGLED,
    ):
        async with proxy.connect() as (reader, writer):
            writer.write(raw)
            writer.write_eof()
            assert (await read_reply(reader)).status in (400, 403)
            assert (await read_reply(reader)).status in (0, 400, 403)


async def test_the_expected_body_is_checked_too(proxy: SocketProxy, text: bytes, name: str) -> None:
    sent = text[:-1] + b', "HostConfig": {"Privileged": true}}'
    raw = request("POST", f"/v1.41/containers/create?name={name}", sent, ["Expect: 100-continue"])
    async with proxy.connect() as (reader, writer):
        start = raw.index(b"\r\n\r\n") + 4
        writer.write(raw[:start])
        await asyncio.sleep(0.1)
        writer.write(raw[start:])
        assert (await read_reply(reader)).status == 403


async def test_a_body_may_come_in_pieces(proxy: SocketProxy, text: bytes, name: str) -> None:
    """What is compared is the whole, whatever came first."""
    whole = request("POST", f"/v1.41/containers/create?name={name}", text)
    for raw, status in ((whole, 201), (whole.replace(b'"ALL"', b'"KILL"'), 403)):
        async with proxy.connect() as (reader, writer):
            for start in range(0, len(raw), 3000):
                writer.write(raw[start : start + 3000])
                await asyncio.sleep(0.02)
            assert (await read_reply(reader)).status == status
        await proxy.ask("DELETE", f"/v1.41/containers/{name}?force=1&v=1")


async def test_there_is_no_http2_with_prior_knowledge(proxy: SocketProxy) -> None:
    url = f"http://127.0.0.1:{proxy.port}/_ping"
    async with httpx.AsyncClient(http1=False, http2=True) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
