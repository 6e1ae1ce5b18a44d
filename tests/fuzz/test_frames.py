"""The frame parser reads what a hostile box says."""

from hypothesis import example, given
from hypothesis import strategies as st

from skillbox_executor.sandbox.frames import End, FrameError, FrameParser

_HEADERS = st.builds(
    lambda kind, length: kind + b"%010d" % length,
    st.sampled_from([b"h", b"o", b"e", b"r", b"x", b"?"]),
    st.integers(0, 40) | st.integers(0, 10**10 - 1),
)
_SAID = st.lists(_HEADERS | st.binary(max_size=40) | st.just(b'{"exit_code":0}'))


@given(_SAID, st.integers(1, 64))
@example([b"x0000000015", b'{"exit_code":0}', b"o"], 1)
def test_anything_gives_frames_or_a_frame_error(said: list[bytes], size: int) -> None:
    stream = b"".join(said)
    parser = FrameParser()
    ended = False
    try:
        for start in range(0, len(stream), size):
            for frame in parser.feed(stream[start : start + size]):
                assert not ended, "a frame after the end"
                ended = isinstance(frame, End)
    except FrameError:
        return


@given(st.lists(st.binary(max_size=200)), st.integers(1, 100))
def test_what_a_skill_prints_comes_out_as_it_was(printed: list[bytes], size: int) -> None:
    stream = b"".join(b"o%010d%b" % (len(data), data) for data in printed)
    parser = FrameParser()
    seen = [
        frame.data  # type: ignore[union-attr] # there are no other frames
        for start in range(0, len(stream), size)
        for frame in parser.feed(stream[start : start + size])
    ]
    assert seen == printed
