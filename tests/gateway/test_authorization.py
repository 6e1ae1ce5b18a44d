"""Who sends no key in the right form hears that, and nothing else, on every /v1 path."""

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from tests.support.envoy import Gateway

MISSING = "missing Authorization header"
SCHEME = "Authorization header must use Bearer scheme"
EMPTY = "empty bearer token"
INVALID = "invalid or revoked API key"

REQUESTS = [
    ("GET", "/v1/skills", b""),
    ("GET", "/v1/skills/missing/1", b""),
    ("POST", "/v1/executions", b"{bad"),
    ("POST", "/v1/skills", b"no zip"),
    ("GET", "/v1/executions/missing/logs", b""),
]
BEFORE_ANY_SERVICE = [
    ("POST", "/v1/api-keys", b"{bad"),
    ("GET", "/v1/skills?unknown=1", b""),
    ("GET", "/v1", b""),
    ("GET", "/v1/", b""),
    ("GET", "/v1?x", b""),
    ("PATCH", "/v1/nope", b""),
    ("GET", "/v1//./nope", b""),
]


@pytest.fixture
def stranger(rest: httpx.AsyncClient) -> httpx.AsyncClient:
    del rest.headers["Authorization"]
    return rest


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS + BEFORE_ANY_SERVICE)
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


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("header", ["Bearer sk-bad", "bEaReR sk-bad", "Bearer  sk-bad"])
async def test_unknown_key(
    stranger: httpx.AsyncClient, method: str, path: str, body: bytes, header: str
) -> None:
    reply = await stranger.request(method, path, content=body, headers={"Authorization": header})
    assert reply.text == f'{{"error":"unauthorized","message":"{INVALID}"}}'
    assert reply.status_code == 401


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
