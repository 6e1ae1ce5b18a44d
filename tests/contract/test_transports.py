"""Every case over REST and over gRPC, which must do as the table says, and agree."""

import json

import httpx
import pytest

from skillbox_common.error_catalogue import CATALOGUE
from tests.contract import agreement
from tests.contract.matching import has, matches
from tests.contract.setting import Setting
from tests.contract.table import Case, Expect, cases
from tests.contract.test_refusals import REASONS as PROVOKED_ELSEWHERE
from tests.contract.transports import Outcome

CASES = cases()


@pytest.mark.bubblewrap
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(setting: Setting, case: Case) -> None:
    reply = outcome = None
    if case.rest:
        sent, reply = await setting.rest(case)
        check_rest(reply, sent.expect)
    if case.grpc:
        sent, outcome = await setting.grpc(case)
        check_grpc(outcome, sent.expect)
    if case.expect.same:
        assert reply is not None
        assert outcome is not None
        agreement.check(case.expect.same, reply, outcome.replies)


def check_rest(reply: httpx.Response, expect: Expect) -> None:
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
    assert (outcome.code, outcome.reason) == (expect.code, expect.reason), outcome.message
    assert matches(expect.message, outcome.message), outcome.message
    if expect.reply is not None:
        (reply,) = map(agreement.to_json, outcome.replies)
        assert has(reply, expect.reply), reply


def test_each_row_says_what_comes_back() -> None:
    for case in CASES:
        expect = case.expect
        assert case.rest or case.grpc, case.name
        assert bool(case.rest) == bool(expect.status), case.name
        # A failure has a text, and everything else has none.
        failed = expect.status >= 400 or expect.code != "OK"
        assert bool(expect.message) == failed, case.name
        assert bool(expect.error) == (expect.status >= 400), case.name
        assert bool(expect.reason) == (expect.code != "OK"), case.name
        if case.rest and case.grpc:
            assert (expect.status >= 400) == (expect.code != "OK"), case.name


def test_every_reason_is_provoked_over_both_transports() -> None:
    rows = {case.expect.reason for case in CASES if case.rest and case.grpc} - {""}
    assert rows | PROVOKED_ELSEWHERE == set(CATALOGUE)
    assert not rows & PROVOKED_ELSEWHERE
