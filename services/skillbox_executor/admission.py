"""Decides which executions run now, which wait and which are turned away."""

import math
from dataclasses import dataclass

from skillbox_common.errors import CapacityExhausted

_MEMORY = 0.2
_MAX_RETRY_S = 60


@dataclass(frozen=True)
class Load:
    """What is there when an execution arrives, over all replicas.

    Attributes:
        waiting: Executions that no replica holds, of all tenants.
        tenant_waiting: Those of the tenant.
        tenant_held: Executions of the tenant that replicas hold.
    """

    waiting: int
    tenant_waiting: int
    tenant_held: int


@dataclass(frozen=True)
class Limits:
    """How much may run and wait.

    Attributes:
        slots: Executions that this replica runs at the same time.
        queue: Executions that may wait, over all replicas.
        tenant_queue: The same for one tenant.
        tenant_ceiling: Executions of one tenant on all replicas; `None` for no ceiling.
        rate: Executions per second of one tenant; `None` for any number.
        burst: How many of them may come at once.
    """

    slots: int
    queue: int
    tenant_queue: int
    tenant_ceiling: int | None = None
    rate: float | None = None
    burst: int = 1


class Admission:
    """The slots of this replica, and the rules for those who want one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._free = limits.slots
        self._mean_s = 0.0

    def take_slot(self) -> bool:
        """Takes a slot if one is free; `give_back` ends that."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def give_back(self, used_s: float | None = None) -> None:
        """Frees a slot.

        Args:
            used_s: Seconds for which an execution used it.
        """
        self._free += 1
        if used_s is not None:
            self._mean_s += _MEMORY * (used_s - self._mean_s)

    def close(self) -> None:
        """Gives no slot out any more."""
        self._free = -self.limits.slots

    def may_run(self, load: Load, *, slot: bool) -> bool:
        """Tells whether a new execution runs at once. If not, it may wait.

        Args:
            slot: Whether there is a slot for it.

        Raises:
            CapacityExhausted: It may not even wait.
        """
        ceiling = self.limits.tenant_ceiling
        below_ceiling = ceiling is None or load.tenant_held < ceiling
        if slot and below_ceiling and not load.waiting:
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
