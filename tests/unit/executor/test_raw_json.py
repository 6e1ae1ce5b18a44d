import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_executor import raw_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abü\\\"\n\x00"), inner),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "compact"),
    [
        (b' {"b" : 1,\n\t"a":[1 , 2]} ', '{"b":1,"a":[1,2]}'),
        (b"12345678901234567890123", "12345678901234567890123"),
        (b"1.50e+3", "1.50e+3"),
        (rb'"\u00e9 \/ two  blanks"', r'"\u00e9 \/ two  blanks"'),
        ('"é"'.encode(), '"é"'),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        (b"null", "null"),
    ],
)
def test_only_insignificant_white_space_goes(text: bytes, compact: str) -> None:
    assert raw_json.compact(text) == compact


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"[1,]",
        b"01",
        b"NaN",
        b"-Infinity",
        b'{"a":1}x',
        b"1 2",
        b"'a'",
        b'"\xff"',
        b'"\x01"',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        raw_json.compact(text)


@given(json_values, st.sampled_from([None, 1, 4]), st.booleans())
def test_the_value_stays_the_same(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    compact = raw_json.compact(text.encode())
    assert compact == json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))


@given(st.binary(max_size=40))
def test_any_bytes_are_taken_or_refused(data: bytes) -> None:
    try:
        compact = raw_json.compact(data)
    except ValueError:
        return
    assert raw_json.compact(compact.encode()) == compact
    json.loads(compact)
