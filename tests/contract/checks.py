"""Compares what came back with what a case expects."""

import json

import httpx

from tests.contract import agreement
from tests.contract.matching import has, matches
from tests.contract.table import Expect
from tests.contract.transports import Outcome


def check_rest(reply: httpx.Response, expect: Expect) -> None:
    """Fails when a REST reply is not as expected."""
    assert reply.status_code == expect.status, reply.text
    assert reply.headers["x-request-id"]
    for name, value in expect.headers.items():
        assert matches(value, reply.headers[name]), f"{name}: {reply.headers[name]}"
    if expect.body is not None:
        assert matches(expect.body, reply.text), reply.text
    if expect.error:
        assert reply.headers["content-type"] == "application/json"
        error = reply.json()
        assert list(error) == ["error", "message"]
        assert error["error"] == expect.error
        assert matches(expect.message, error["message"]), error["message"]
        assert reply.text == json.dumps(error, separators=(",", ":"))


def check_grpc(outcome: Outcome, expect: Expect) -> None:
    """Fails when the outcome of an RPC is not as expected."""
    assert (outcome.code, outcome.reason) == (expect.code, expect.reason), outcome.message
    assert matches(expect.message, outcome.message), outcome.message
    if expect.reply is not None:
        (reply,) = map(agreement.to_json, outcome.replies)
        assert has(reply, expect.reply), reply
