"""Every case over REST and over gRPC, which must do as the table says, and agree."""

import pytest

from skillbox_common.error_catalogue import CATALOGUE
from tests.contract import agreement
from tests.contract.checks import check_grpc, check_rest
from tests.contract.setting import Setting
from tests.contract.table import Case, cases
from tests.contract.test_refusals import REFUSALS

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
    assert rows | set(REFUSALS) == set(CATALOGUE)
    assert not rows & set(REFUSALS)
