"""Who sends no key in the right form hears that, and nothing else, on every /v1 path."""

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from tests.gateway.backend import Backend
from tests.gateway.conftest import AUTHORIZED
from tests.gateway.test_errors import NOT_FOUND, UNAVAILABLE
from tests.support.envoy import Gateway, run_gateway
from tests.support.parts import free_port

MISSING = "missing Authorization header"
SCHEME = "Authorization header must use Bearer scheme"
EMPTY = "empty bearer token"
INVALID = "invalid or revoked API key"
OTHER_TENANT = "X-Tenant-ID header does not match the API key's tenant"

REQUESTS = [
    ("GET", "/v1/skills", b""),
    ("GET", "/v1/skills/missing/1", b""),
    ("POST", "/v1/executions", b"{bad"),
    ("POST", "/v1/skills", b"no zip"),
    ("GET", "/v1/executions/missing/logs", b""),
]
UNKNOWN = [
    ("GET", "/v1", b""),
    ("GET", "/v1/", b""),
    ("GET", "/v1?x", b""),
    ("GET", "/v1/nope?x=1", b""),
    ("PATCH", "/v1/nope", b"{bad"),
    ("PUT", "/v1/skills", b"[]"),
    ("OPTIONS", "/v1/skills/a/1", b""),
    ("GET", "/v1/executions/x:cancel", b""),
    ("POST", "/v1/skills/a/1", b""),
    ("GET", "/v1//./nope", b""),
    ("GET", "/v1/%ff/nope", b""),
    ("POST", "/v1/nope?x=1", b"x" * 300_000),
]
# The gateway sees what is wrong with them before any service sees their key.
REFUSED_BY_THE_GATEWAY = [
    ("POST", "/v1/api-keys", b"{bad", 400),
    ("GET", "/v1/skills?unknown=1", b"", 400),
    ("GET", "/v1/api-keys?page_size=x", b"", 400),
    ("POST", "/v1/api-keys", b"x" * 300_000, 413),
    ("POST", "/v1/executions", b"x" * (4 * 1024 * 1024 + 1), 413),
    ("GET", "/v1/skills/%ff/1", b"", 400),
]
ALL = REQUESTS + UNKNOWN + [request[:3] for request in REFUSED_BY_THE_GATEWAY]

ONE_OF_EACH = [REQUESTS[0], REQUESTS[2], UNKNOWN[0], REFUSED_BY_THE_GATEWAY[0][:3]]


def ids(value: object) -> str | None:
    """Names requests by their path; bodies are long."""
    return value.decode(errors="replace")[:8] if isinstance(value, bytes) else None


@pytest.fixture
def stranger(rest: httpx.AsyncClient) -> httpx.AsyncClient:
    del rest.headers["Authorization"]
    return rest


@pytest.mark.parametrize(("method", "path", "body"), ONE_OF_EACH, ids=ids)
@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, MISSING),
        ("", SCHEME),
        ("Bearer", SCHEME),
        ("Basic c2stZ29vZA==", SCHEME),
        ("Bearersk-good", SCHEME),
        ("sk-good", SCHEME),
        ("Bearer\tsk-good", SCHEME),
    ],
)
async def test_malformed(
    stranger: httpx.AsyncClient,
    method: str,
    path: str,
    body: bytes,
    header: str | None,
    message: str,
) -> None:
    headers = {} if header is None else {"Authorization": header}
    reply = await stranger.request(method, path, content=body, headers=headers)
    assert reply.text == f'{{"error":"unauthorized","message":"{message}"}}'
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("method", "path", "body"), ALL, ids=ids)
@pytest.mark.parametrize("header", ["Bearer sk-bad", "bEaReR  sk-bad"])
async def test_unknown_key(
    stranger: httpx.AsyncClient, method: str, path: str, body: bytes, header: str
) -> None:
    reply = await stranger.request(method, path, content=body, headers={"Authorization": header})
    assert reply.text == f'{{"error":"unauthorized","message":"{INVALID}"}}'
    assert reply.status_code == 401


@pytest.mark.parametrize("path", ["/v1/skills", "/v1/nope", "/v1/skills?x=1"])
@pytest.mark.parametrize("key", ["x" * 50_000, "\xff", "caf\u00e9"], ids=["long", "byte", "text"])
async def test_a_key_that_no_server_would_issue(
    stranger: httpx.AsyncClient, path: str, key: str
) -> None:
    headers = {b"Authorization": f"Bearer {key}".encode("latin-1")}
    reply = await stranger.get(path, headers=headers)
    assert (reply.status_code, reply.json()["message"]) == (401, INVALID)


@pytest.mark.parametrize(("method", "path", "body"), ALL, ids=ids)
async def test_key_of_another_tenant(
    rest: httpx.AsyncClient, method: str, path: str, body: bytes
) -> None:
    reply = await rest.request(method, path, content=body, headers={"X-Tenant-ID": "other"})
    assert reply.text == f'{{"error":"forbidden","message":"{OTHER_TENANT}"}}'
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/json")


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN, ids=ids)
async def test_unknown_path_with_a_key(
    rest: httpx.AsyncClient, method: str, path: str, body: bytes
) -> None:
    reply = await rest.request(method, path, content=body)
    if len(body) > 256 * 1024:
        assert (reply.status_code, reply.json()["error"]) == (413, "too_large")
    else:
        assert (reply.status_code, reply.text) == (404, NOT_FOUND)


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED_BY_THE_GATEWAY, ids=ids)
async def test_refused_by_the_gateway_with_a_key(
    rest: httpx.AsyncClient, method: str, path: str, body: bytes, status: int
) -> None:
    reply = await rest.request(method, path, content=body)
    assert (reply.status_code, list(reply.json())) == (status, ["error", "message"])


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/skills", {}, 404),
        ("/v1/skills?x=1", {}, 400),
        ("/v1/skills", {"X-Tenant-ID": "other"}, 403),
        ("/v1/skills?x=1", {"X-Tenant-ID": "other"}, 403),
        ("/nope", {}, 404),
        ("/ready?x=1", {}, 404),
    ],
)
async def test_a_reply_to_head_has_no_body(
    envoy: Gateway, path: str, headers: dict[str, str], status: int
) -> None:
    lines = {"Host": "a", **AUTHORIZED, **headers, "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    async with envoy.connect() as (reader, writer):
        writer.write(f"HEAD {path} HTTP/1.1\r\n{head}\r\n".encode())
        reply = await reader.read()
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert reply.endswith(b"\r\n\r\n")


async def test_without_auth_the_gateway_cannot_tell(backend: Backend) -> None:
    settings = backend.settings(auth_address=f"127.0.0.1:{free_port()}")
    async with (
        run_gateway(settings) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=AUTHORIZED) as client,
    ):
        for path in ("/v1/nope", "/v1/skills?x=1"):
            reply = await client.get(path)
            assert (reply.status_code, reply.text) == (503, UNAVAILABLE)
        assert (await client.get("/v1/skills")).text == "[]"


async def test_empty_token(envoy: Gateway) -> None:
    # HTTP/1.1 drops white space at the end of a header, HTTP/2 does not, and neither do clients
    # that are as careless as this one.
    connection = H2Connection(H2Configuration(normalize_outbound_headers=False))
    connection.initiate_connection()
    connection.send_headers(
        1,
        [
            (":method", "GET"),
            (":path", "/v1/nope"),
            (":scheme", "http"),
            (":authority", envoy.address),
            ("authorization", "Bearer "),
        ],
        end_stream=True,
    )
    body = b""
    ended = False
    async with envoy.connect() as (reader, writer):
        writer.write(connection.data_to_send())
        while not ended:
            for event in connection.receive_data(await reader.read(65536)):
                body += event.data if isinstance(event, DataReceived) and event.data else b""
                ended = ended or isinstance(event, StreamEnded)
    assert body.decode() == f'{{"error":"unauthorized","message":"{EMPTY}"}}'


async def test_paths_outside_v1_need_no_key(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/health")).status_code == 200
    assert (await stranger.get("/ready")).status_code == 200
    assert (await stranger.get("/v1nope")).status_code == 404
