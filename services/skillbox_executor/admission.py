"""Decides which executions run now, which wait and which are turned away."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from skillbox_common.errors import CapacityExhausted
from skillbox_executor.recent import Recent

_MEMORY = 0.2
_MAX_RETRY_S = 60
_REFUSED_S = 1.0
"""The shortest `Retry-After`: who heeds it does not notice."""


@dataclass(frozen=True)
class Load:
    """What is there when an execution arrives, over all replicas.

    Attributes:
        waiting: Executions that no replica holds, of all tenants.
        tenant_waiting: Those of the tenant.
        tenant_held: Executions of the tenant that replicas hold.
        ahead: Other tenants with an execution that waits, of which replicas hold no more.
    """

    waiting: int
    tenant_waiting: int
    tenant_held: int
    ahead: int


@dataclass(frozen=True)
class Limits:
    """How much may run and wait.

    Attributes:
        slots: Executions that this replica runs at the same time.
        reserved: How many of them one tenant leaves to the others, while there are others.
        queue: Executions that may wait, over all replicas.
        tenant_queue: The same for one tenant.
        tenant_ceiling: Executions of one tenant on all replicas; `None` for no ceiling.
        rate: Executions per second of one tenant; `None` for any number.
        burst: How many of them may come at once.
    """

    slots: int
    queue: int
    tenant_queue: int
    reserved: int = 0
    tenant_ceiling: int | None = None
    rate: float | None = None
    burst: int = 1


class Admission:
    """The slots of this replica, and the rules for those who want one.

    Whoever held all of them would make every other tenant wait for the end of a run. So a tenant
    leaves some free, if another one has asked this replica for a slot lately.

    Args:
        now: A monotonic clock in seconds.
    """

    def __init__(self, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._free = limits.slots
        # Tenants by what they hold. `None` holds those whose tenant is not known yet.
        self._held: Counter[str | None] = Counter()
        self._recent = Recent(now)
        self._now = now
        # Why tenants were refused, and until when this holds without another look.
        self._refused: dict[str, tuple[float, CapacityExhausted]] = {}
        self._mean_s = 0.0

    @property
    def sated(self) -> frozenset[str]:
        """The tenants that get no further slot here for now."""
        return frozenset(
            tenant_id
            for tenant_id, held in self._held.items()
            if tenant_id is not None and held >= self._share(tenant_id)
        )

    def take_slot(self, tenant_id: str | None) -> bool:
        """Takes a slot if one is free for the tenant; `give_back` ends that.

        Args:
            tenant_id: `None` when `assign` will tell, once it is known.
        """
        if tenant_id is not None:
            self._recent.add(tenant_id)
            # What is not assigned yet may become this tenant's.
            if self._held[tenant_id] + self._held[None] >= self._share(tenant_id):
                return False
        if self._free <= 0:
            return False
        self._free -= 1
        self._held[tenant_id] += 1
        return True

    def assign(self, tenant_id: str) -> None:
        """Says whose a slot is that was taken for `None`: not one of the sated at that time."""
        self._recent.add(tenant_id)
        self._held[None] -= 1
        self._held[tenant_id] += 1

    def give_back(self, tenant_id: str | None, used_s: float | None = None) -> None:
        """Frees a slot of a tenant.

        Args:
            used_s: Seconds for which an execution used it.
        """
        self._free += 1
        self._refused.clear()
        self._held[tenant_id] -= 1
        if not self._held[tenant_id]:
            del self._held[tenant_id]
        if used_s is not None:
            self._mean_s += _MEMORY * (used_s - self._mean_s)

    def close(self) -> None:
        """Gives no slot out any more."""
        self._free = -self.limits.slots

    def _share(self, tenant_id: str) -> int:
        """Returns how many slots a tenant may hold."""
        alone = next(self._recent.others(tenant_id), None) is None
        return self.limits.slots - (0 if alone else self.limits.reserved)

    async def check(self, tenant_id: str) -> None:
        """Spares the work of refusing a tenant again that was refused a moment ago.

        Who comes back at once all the same has to wait for the answer: hundreds of refusals a
        second would take from everybody's time.

        Raises:
            CapacityExhausted: As it was raised then; no slot of this replica was freed since.
        """
        until, error = self._refused.get(tenant_id, (0.0, None))
        if error is not None and self._now() < until:
            await asyncio.sleep(_REFUSED_S)
            raise CapacityExhausted(error.message, error.retry_after)

    def refused(self, tenant_id: str, error: CapacityExhausted) -> None:
        """Remembers for `check` what a tenant was told."""
        self._refused[tenant_id] = (self._now() + _REFUSED_S, error)

    def may_run(self, load: Load, *, slot: bool) -> bool:
        """Tells whether a new execution runs at once. If not, it may wait.

        Args:
            slot: Whether there is a slot for it.

        Raises:
            CapacityExhausted: It may not even wait.
        """
        ceiling = self.limits.tenant_ceiling
        below_ceiling = ceiling is None or load.tenant_held < ceiling
        if slot and below_ceiling and not load.tenant_waiting and not load.ahead:
            return True
        # A slot in the hand will be somebody's at once, and a place free again.
        if load.waiting >= self.limits.queue + slot:
            raise self._full("all places are taken")
        if load.tenant_waiting >= self.limits.tenant_queue + slot:
            raise self._full("all places of the tenant are taken")
        return False

    def too_fast(self) -> CapacityExhausted:
        """Returns the error for a tenant that has used up its rate."""
        assert self.limits.rate is not None
        seconds = math.ceil(1 / self.limits.rate)
        return CapacityExhausted("too many executions per second; try again later", seconds)

    def _full(self, problem: str) -> CapacityExhausted:
        # About when the next slot of this replica becomes free.
        seconds = math.ceil(self._mean_s / self.limits.slots)
        return CapacityExhausted(f"{problem}; try again later", max(1, min(seconds, _MAX_RETRY_S)))
