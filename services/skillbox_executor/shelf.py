"""The waiting boxes of one profile, and how many of them there should be."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from skillbox_executor.sandbox.interface import Box

_DEMAND_WINDOW_S = 10.0
_FIRST_RETRY_S = 2.0
_LONGEST_RETRY_S = 15.0


@dataclass(eq=False)
class Waiting:
    """A started box that nobody has used.

    Attributes:
        since: When its start was complete.
    """

    box: Box
    since: float


@dataclass(eq=False)
class Shelf:
    """The boxes of one profile. Times are of the pool's clock, in seconds.

    Attributes:
        kept: It is there for good, whether it is used or not.
        demand: When boxes were asked for, as far back as the demand window.
        retry_at: Before this, after a failed start, none is started ahead.
        failure: What the last start ahead failed with; empty after one that succeeded.
    """

    kept: bool = False
    ready: deque[Waiting] = field(default_factory=deque)
    starting: "deque[asyncio.Task[Box]]" = field(default_factory=deque)
    demand: deque[float] = field(default_factory=deque)
    last_use: float = 0.0
    retry_at: float = 0.0
    failure: str = ""
    _retry_s: float = _FIRST_RETRY_S

    @property
    def boxes(self) -> int:
        return len(self.ready) + len(self.starting)

    def asked(self, now: float) -> None:
        self.last_use = now
        self.demand.append(now)

    def recent_demand(self, now: float) -> int:
        """Returns how many boxes were asked for within the demand window."""
        while self.demand and now - self.demand[0] > _DEMAND_WINDOW_S:
            self.demand.popleft()
        return len(self.demand)

    def succeeded(self) -> None:
        """A start succeeded: the engine is well."""
        self.retry_at, self.failure, self._retry_s = 0.0, "", _FIRST_RETRY_S

    def failed(self, now: float, error: str) -> bool:
        """A start ahead failed: the next one waits. Tells whether this is news."""
        self.retry_at = now + self._retry_s
        self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)
        news, self.failure = error != self.failure, error
        return news
