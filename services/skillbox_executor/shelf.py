"""The waiting boxes of one profile, and how many of them there should be."""

import asyncio
from collections import Counter, deque
from collections.abc import Collection
from dataclasses import dataclass, field

from skillbox_executor.recent import Recent
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
        demand: Who asked for a box and when, as far back as the demand window.
        users: Who asked lately at all.
        retry_at: Before this, after a failed start, none is started ahead.
        failure: What the last start ahead failed with; empty after one that succeeded.
    """

    kept: bool = False
    ready: deque[Waiting] = field(default_factory=deque)
    starting: "deque[asyncio.Task[Box]]" = field(default_factory=deque)
    demand: deque[tuple[float, str]] = field(default_factory=deque)
    users: Recent = field(default_factory=Recent)
    last_use: float = 0.0
    retry_at: float = 0.0
    failure: str = ""
    _retry_s: float = _FIRST_RETRY_S

    @property
    def boxes(self) -> int:
        return len(self.ready) + len(self.starting)

    def asked(self, now: float, tenant_id: str) -> None:
        self.last_use = now
        self.users.add(tenant_id)
        self.demand.append((now, tenant_id))

    def recent_demand(self, now: float) -> int:
        """Returns how many boxes were asked for within the demand window."""
        while self.demand and now - self.demand[0][0] > _DEMAND_WINDOW_S:
            self.demand.popleft()
        return len(self.demand)

    def kept_for(self, tenants: Collection[str], now: float) -> int:
        """Returns how many waiting boxes others leave to some tenants.

        That is as many as those lately asked for, and one for each that asked before.
        """
        self.recent_demand(now)
        asked = Counter(each for _, each in self.demand)
        return sum(max(1, asked[each]) for each in tenants if each in self.users)

    def succeeded(self) -> None:
        """A start succeeded: the engine is well."""
        self.retry_at, self.failure, self._retry_s = 0.0, "", _FIRST_RETRY_S

    def failed(self, now: float, error: str) -> bool:
        """A start ahead failed: the next one waits. Tells whether this is news."""
        self.retry_at = now + self._retry_s
        self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)
        news, self.failure = error != self.failure, error
        return news
