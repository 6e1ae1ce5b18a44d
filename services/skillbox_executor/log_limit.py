"""Keeps the head and the tail of what a skill prints."""

from collections import deque
from collections.abc import Iterator

Piece = tuple[str, bytes]
"""A stream's name and what was printed to it."""


class LogLimiter:
    """Lets the first half of `limit` bytes through at once and keeps the last half back.

    What lies between is counted and dropped. `rest` gives a marker and the tail at the end.
    """

    def __init__(self, limit: int) -> None:
        self._head_left = limit - limit // 2
        self._tail_limit = limit // 2
        self._tail: deque[Piece] = deque()
        self._tail_size = 0
        self.dropped = 0

    def feed(self, stream: str, data: bytes) -> bytes:
        """Returns the part of `data` that may be shown now; the rest is kept or dropped."""
        shown, kept = data[: self._head_left], data[self._head_left :]
        self._head_left -= len(shown)
        if kept:
            self._tail.append((stream, kept))
            self._tail_size += len(kept)
            self._trim()
        return shown

    def rest(self) -> Iterator[Piece]:
        """Yields what was kept back, after a marker where something is missing."""
        if self.dropped:
            yield "system", b"\n[skillbox: %d bytes of log left out]\n" % self.dropped
        yield from self._tail

    def _trim(self) -> None:
        while (excess := self._tail_size - self._tail_limit) > 0:
            stream, data = self._tail.popleft()
            cut = min(excess, len(data))
            if cut < len(data):
                self._tail.appendleft((stream, data[cut:]))
            self._tail_size -= cut
            self.dropped += cut
