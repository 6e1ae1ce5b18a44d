"""Who sends no key in the right form hears that, and nothing else, on every /v1 path."""

import httpx
import pytest

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
    ("GET", "//v1/./nope", b""),
]


@pytest.fixture(params=[False, True], ids=["HTTP/1.1", "HTTP/2"])
def stranger(envoy: Gateway, request: pytest.FixtureRequest) -> httpx.Client:
    return httpx.Client(base_url=envoy.url, http1=not request.param, http2=request.param)


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
def test_malformed(
    stranger: httpx.Client, method: str, path: str, body: bytes, header: str | None, message: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    with stranger:
        reply = stranger.request(method, path, content=body, headers=headers)
    assert reply.text == f'{{"error":"unauthorized","message":"{message}"}}'
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("header", ["Bearer sk-bad", "bEaReR sk-bad", "Bearer  sk-bad"])
def test_unknown_key(
    stranger: httpx.Client, method: str, path: str, body: bytes, header: str
) -> None:
    with stranger:
        reply = stranger.request(method, path, content=body, headers={"Authorization": header})
    assert reply.text == f'{{"error":"unauthorized","message":"{INVALID}"}}'
    assert reply.status_code == 401


def test_empty_token(envoy: Gateway) -> None:
    # HTTP/1.1 drops the space at the end, so that "Bearer " is "Bearer" there.
    with httpx.Client(base_url=envoy.url, http1=False, http2=True) as client:
        reply = client.get("/v1/nope", headers={"Authorization": "Bearer "})
    assert reply.text == f'{{"error":"unauthorized","message":"{EMPTY}"}}'


def test_paths_outside_v1_need_no_key(stranger: httpx.Client) -> None:
    with stranger:
        assert stranger.get("/health").status_code == 200
        assert stranger.get("/ready").status_code == 200
        assert stranger.get("/v1nope").status_code == 404
