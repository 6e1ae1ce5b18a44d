"""Page sizes and page tokens."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_common.errors import InvalidArgument
from skillbox_common.pagination import decode_token, encode_token, page_size

# What a Postgres text can hold: no NUL; strategies leave out surrogates by themselves.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("requested", "size"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)]
)
def test_sizes_are_bounded(requested: int, size: int) -> None:
    assert page_size(requested) == size


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="page_size: -1 is not valid"):
        page_size(-1)


def test_no_token_is_the_first_page() -> None:
    assert decode_token("", 2) is None


@given(st.lists(TEXT, min_size=1, max_size=3))
def test_a_token_is_read_back(key: list[str]) -> None:
    token = encode_token(*key)
    assert token.isascii()
    assert decode_token(token, len(key)) == tuple(key)


def forged(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "????",
        "ключ",
        "\udcff",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        forged("a"),
        forged({"a": "b"}),
        forged(["a", "b"]),
        forged([]),
        forged([1]),
        forged([None]),
        forged([["a"]]),
        forged(["a\0"]),
        forged(["\ud800"]),
    ],
    ids=range(15),
)
def test_what_is_no_token_of_one_part(token: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^page_token: ") as raised:
        decode_token(token, 1)
    assert len(raised.value.message) < 250


@given(st.text(min_size=1))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    with suppress(InvalidArgument):
        assert decode_token(text, 1) is not None
