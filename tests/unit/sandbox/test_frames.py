"""The frames that a runner sends, and the headers that it is sent."""

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_executor.sandbox.frames import (
    MAX_FRAME,
    End,
    Frame,
    FrameError,
    FrameParser,
    Hello,
    Output,
    Result,
    encode_length,
    json_header,
    parse_length,
    shell_header,
)

END = b'{"exit_code":0,"signal":null,"truncated":false}'


def encode(kind: bytes, data: bytes = b"") -> bytes:
    return kind + encode_length(len(data)) + data


def parse(*pieces: bytes) -> list[Frame]:
    parser = FrameParser()
    return [frame for piece in pieces for frame in parser.feed(piece)]


ALL = encode(b"h") + encode(b"o", b"out") + encode(b"e", b"err") + encode(b"r", b"tar")
ALL_FRAMES = [Hello(), Output("stdout", b"out"), Output("stderr", b"err"), Result(b"tar")]


@pytest.mark.parametrize("size", [1, 2, 10, 11, 12, 1000])
def test_frames_come_out_whatever_the_pieces(size: int) -> None:
    said = ALL + encode(b"x", END)
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    assert parse(*pieces) == [*ALL_FRAMES, End(exit_code=0)]


def test_a_frame_that_is_not_complete_does_not_come_out() -> None:
    assert parse(encode(b"o", b"out")[:-1]) == []


def test_an_empty_frame_is_a_frame() -> None:
    assert parse(encode(b"o")) == [Output("stdout", b"")]


def test_the_longest_frame_passes_and_a_longer_one_does_not() -> None:
    longest = b"x" * MAX_FRAME
    assert parse(encode(b"o", longest)) == [Output("stdout", longest)]
    with pytest.raises(FrameError, match="1048577 bytes is too long"):
        parse(b"o" + encode_length(MAX_FRAME + 1))


@pytest.mark.parametrize(
    "said",
    [
        b"z0000000000",
        b"o000000000a",
        b"o        12",
        b"o-000000001",
        b"o+000000001",
        b"o" + "\uff10".encode() * 10,
        b"x0000004097",
        encode(b"x", END) + encode(b"o", b"more"),
        encode(b"x", END) + encode(b"x", END),
    ],
)
def test_what_is_no_frame_is_refused_at_once(said: bytes) -> None:
    with pytest.raises(FrameError):
        parse(said)


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (b'{"exit_code":255,"signal":null,"truncated":true}', End(exit_code=255, truncated=True)),
        (b'{"exit_code":null,"signal":9,"truncated":false}', End(signal=9)),
        (b'{"signal":64}', End(signal=64)),
        (b'{"exit_code":1,"from_a_later_version":[{}]}', End(exit_code=1)),
    ],
)
def test_an_end_says_how(said: bytes, end: End) -> None:
    assert parse(encode(b"x", said)) == [end]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{}",
        b"[]",
        b"nonsense",
        b'{"exit_code":"0"}',
        b'{"exit_code":true}',
        b'{"exit_code":0.5}',
        b'{"exit_code":-1}',
        b'{"exit_code":256}',
        b'{"signal":0}',
        b'{"signal":65}',
        b'{"exit_code":0,"signal":9}',
        b'{"exit_code":0,"signal":0}',
        b'{"exit_code":0,"truncated":1}',
        b"[" * 4000,
    ],
)
def test_an_end_that_does_not_say_how_is_refused(said: bytes) -> None:
    with pytest.raises(FrameError):
        parse(encode(b"x", said))


def test_lengths_are_ten_digits() -> None:
    assert encode_length(0) == b"0000000000"
    assert parse_length(b"0000012345") == 12345
    for wrong in (b"", b"1", b"00000000001", b"000000000\xb2"):
        with pytest.raises(FrameError):
            parse_length(wrong)


def test_the_json_header() -> None:
    header = json_header(["main.py", "a b"], {"K": "ü"}, 10)
    assert json.loads(header) == {
        "protocol": 1,
        "argv": ["main.py", "a b"],
        "env": {"K": "ü"},
        "limits": {"files": 10},
    }


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(
    st.lists(WORDS, min_size=1), st.dictionaries(st.from_regex(r"[A-Z_]+", fullmatch=True), WORDS)
)
def test_the_shell_header_is_words_for_a_shell(argv: list[str], env: dict[str, str]) -> None:
    words = shlex.split(shell_header(argv, env, 10).decode())
    assert words == ["1", "10", *(f"{k}={v}" for k, v in env.items()), "--", *argv]


def test_the_shell_header_keeps_bytes_that_are_no_utf_8() -> None:
    assert b"\xff" in shell_header(["\udcff"], {}, 10)
