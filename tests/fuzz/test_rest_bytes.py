"""Spoiled requests get an error in the documented form, at once, and do no harm."""

import json
import random
from urllib.parse import urlsplit

import pytest

from tests.e2e import skills
from tests.e2e.stack import API_KEY, Client
from tests.fuzz.mutations import MUTATIONS, Mutation
from tests.support.raw_http import Reply, Request, exchange

pytestmark = pytest.mark.bubblewrap

SEED = 20261121
REQUESTS_PER_MUTATION = 100
CODES = {
    400: {"bad_request", "invalid_skill"},
    401: {"unauthorized"},
    403: {"forbidden"},
    404: {"not_found"},
    409: {"already_exists"},
    413: {"too_large"},
    415: {"unsupported_media_type"},
    429: {"resource_exhausted"},
}
ECHO = skills.skill("echo", "main.sh", 'cat "$SANDBOX_INPUT_FILE" >"$SANDBOX_OUTPUT"')


def good_requests(execution_id: str) -> list[Request]:
    headers = [
        (b"Host", b"localhost"),
        (b"Authorization", b"Bearer " + API_KEY.encode()),
        (b"Content-Type", b"application/json"),
    ]
    execution = b"/v1/executions/" + execution_id.encode()
    gets = [
        *(
            b"/health",
            b"/ready",
            b"/openapi.json",
            b"/v1/skills",
            b"/v1/api-keys",
            b"/v1/executions",
        ),
        *(b"/v1/executions?page_size=2&status=success", execution, execution + b"/logs"),
        *(execution + b"/logs?follow=true", execution + b"/events?after_seq=1", b"/v1/skills/echo"),
        *(
            b"/v1/skills/echo/latest",
            b"/v1/skills/echo/1.0.0/files",
            b"/v1/skills/echo/1.0.0/archive",
        ),
        b"/v1/skills/echo/1.0.0/files/scripts/main.sh",
    ]
    return [
        *(Request(b"GET", target, headers) for target in gets),
        Request(b"DELETE", b"/v1/skills/nobody/1.0.0", headers),
        Request(b"DELETE", b"/v1/api-keys/nobody", headers),
        Request(b"POST", b"/v1/api-keys/nobody:rotate", headers, b'{"grace":"1s"}'),
        Request(b"POST", b"/v1/executions", headers, b'{"skill":"echo","input":{"a":1}}'),
        Request(b"POST", execution + b":cancel", headers),
        Request(
            b"POST", b"/v1/skills", [*headers[:2], (b"Content-Type", b"application/zip")], ECHO
        ),
    ]


@pytest.fixture(scope="module")
async def good(live: Client) -> list[Request]:
    await live.push(ECHO)
    return good_requests((await live.run("echo"))["execution_id"])


def address(live: Client) -> tuple[str, int]:
    url = urlsplit(live.url)
    assert url.hostname and url.port
    return url.hostname, url.port


def problem(reply: Reply, method: str) -> str | None:
    """Says what is wrong with a reply."""
    if reply.status >= 500:
        return "the server is to blame"
    if reply.content_type == "application/grpc":
        # It was taken for gRPC, which says in its own way that it failed.
        return None if reply.status == 200 else "a gRPC reply with an HTTP error"
    if reply.status < 400:
        return None if reply.status in (200, 201, 204) else "no such status is documented"
    if reply.content_type != "application/json":
        return "an error that is not JSON"
    if method == "HEAD":
        return None
    error = json.loads(reply.body)
    if error.keys() != {"error", "message"}:
        return "an error of another form"
    if error["error"] not in CODES.get(reply.status, {"bad_request"}):
        return "a code that does not fit the status"
    return None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_spoiled_requests(mutation: Mutation, live: Client, good: list[Request]) -> None:
    rng = random.Random(f"{SEED} {mutation.__name__}")
    replies = 0
    for _ in range(REQUESTS_PER_MUTATION):
        spoiled = mutation(rng, rng.choice(good))
        method = spoiled.data.partition(b" ")[0].decode("latin-1")
        reply = exchange(address(live), spoiled.data, method, complete=spoiled.complete)
        if reply is None:
            assert not spoiled.complete, spoiled.data
            continue
        replies += 1
        assert problem(reply, method) is None, (problem(reply, method), reply, spoiled.data)
    # Those that are not complete may be given up before their reply.
    assert replies > REQUESTS_PER_MUTATION / 10


async def test_good_requests_still_work(live: Client, good: list[Request]) -> None:
    """Shows as well that what the mutations start from is good."""
    await live.push(ECHO)  # Some mutation deletes it.
    for request in good:
        reply = exchange(address(live), request.encode())
        expected = {404} if b"nobody" in request.target else {200, 201}
        assert reply and reply.status in expected, (request, reply)
    assert "unexpected error" not in live.stack.logs()
