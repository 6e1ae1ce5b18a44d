"""Whose runs use the boxes of a pool."""

import time
from collections import Counter
from collections.abc import Callable

from skillbox_executor.recent import Recent
from skillbox_executor.sandbox.interface import Box

_LATELY_S = 2.0


class Users:
    """The tenants of a pool, and how many boxes each uses."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._recent = Recent(now)
        self._lately = Recent(now, _LATELY_S)
        self._in_use: Counter[str] = Counter()
        self._of_box: dict[str, str] = {}

    def asks(self, tenant_id: str) -> None:
        """A tenant asks for a box, and uses it from now on; see `leaves`."""
        self._recent.add(tenant_id)
        self._lately.add(tenant_id)
        self._in_use[tenant_id] += 1

    def gets(self, tenant_id: str, box: Box) -> None:
        """It has got this one."""
        self._of_box[box.id] = tenant_id

    def returns(self, box: Box) -> str:
        """It is used no more; returns whose it was."""
        tenant_id = self._of_box.pop(box.id)
        self.leaves(tenant_id)
        return tenant_id

    def leaves(self, tenant_id: str) -> None:
        """It uses one box less."""
        self._in_use[tenant_id] -= 1
        if not self._in_use[tenant_id]:
            del self._in_use[tenant_id]

    def lighter_than(self, tenant_id: str) -> frozenset[str]:
        """Returns the tenants of late that use fewer boxes than this one."""
        mine = self._in_use[tenant_id]
        if not mine:
            return frozenset()
        return frozenset(
            each for each in self._recent.others(tenant_id) if self._in_use[each] < mine
        )

    def someone_quiet_beside(self, tenant_id: str) -> bool:
        """Tells whether another tenant asked a moment ago that uses one box at most."""
        return any(self._in_use[each] <= 1 for each in self._lately.others(tenant_id))
