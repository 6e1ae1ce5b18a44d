from hypothesis import given
from hypothesis import strategies as st

from skillbox_executor.log_limit import LogLimiter


@given(st.lists(st.binary(max_size=30), max_size=30), st.integers(2, 60))
def test_head_and_tail_are_kept_and_the_rest_is_counted(pieces: list[bytes], limit: int) -> None:
    limiter = LogLimiter(limit)
    head = b"".join(limiter.feed("stdout", piece) for piece in pieces)
    everything = b"".join(pieces)
    rest = list(limiter.rest())
    tail = b"".join(data for stream, data in rest if stream == "stdout")
    if len(everything) <= limit:
        assert head + tail == everything
        assert limiter.dropped == 0
    else:
        assert everything.startswith(head) and everything.endswith(tail)
        assert len(head) + len(tail) == limit
        assert limiter.dropped == len(everything) - limit
        assert rest[0] == ("system", b"\n[skillbox: %d bytes of log left out]\n" % limiter.dropped)


def test_the_tail_keeps_the_streams_apart() -> None:
    limiter = LogLimiter(8)
    limiter.feed("stdout", b"head")
    limiter.feed("stderr", b"er")
    limiter.feed("stdout", b"ou")
    assert list(limiter.rest()) == [("stderr", b"er"), ("stdout", b"ou")]
