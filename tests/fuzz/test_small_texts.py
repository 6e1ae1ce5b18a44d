"""Page tokens and event ids: what was made here is understood, all else is the caller's fault."""

from hypothesis import example, given
from hypothesis import strategies as st

from skillbox_common.errors import InvalidArgument
from skillbox_common.pagination import decode_token, encode_token
from skillbox_executor.commands.queries import _cursor
from skillbox_executor.rest_json import event_id

_MAX_INT64 = 2**63 - 1


@given(st.text(max_size=200) | st.text("AZaz09-_=", max_size=200), st.integers(1, 3))
@example("W10", 1)
@example("9" * 200, 1)
@example("\ud800", 1)
def test_any_page_token(token: str, parts: int) -> None:
    try:
        key = decode_token(token, parts)
    except InvalidArgument as error:
        assert "page_token" in error.message
        return
    assert (key is None) == (token == "")
    for part in key or ():
        assert "\0" not in part
        part.encode()


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1))
def test_a_page_token_comes_back(key: list[str]) -> None:
    assert decode_token(encode_token(*key), len(key)) == tuple(key)


@given(st.lists(st.text(max_size=40), min_size=2, max_size=2) | st.lists(st.integers()))
@example(["0001-01-01T00:00:00", "0" * 32])
@example(["2026-01-01", "{" + "0" * 32 + "}"])
def test_any_cursor_of_executions(key: list[str]) -> None:
    try:
        cursor = _cursor(encode_token(*key))
    except InvalidArgument as error:
        assert "page_token" in error.message
        return
    assert cursor is not None
    assert len(cursor[1]) == len("00000000-0000-0000-0000-000000000000")


@given(st.none() | st.text(max_size=40) | st.integers(0).map(str), st.integers(0, _MAX_INT64))
@example("\u0663", 0)
@example("9" * 5000, 0)
@example(" 1", 0)
def test_any_last_event_id(header: str | None, after_seq: int) -> None:
    try:
        seq = event_id(header, after_seq)
    except InvalidArgument as error:
        assert "Last-Event-ID" in error.message
        return
    assert 0 <= seq <= _MAX_INT64
    if header:
        assert seq == int(header)
