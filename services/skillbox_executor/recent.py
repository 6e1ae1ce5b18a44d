"""Who was here lately."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

_REMEMBERED_S = 300.0


class Recent:
    """The tenants that asked for something within the last minutes.

    Args:
        now: A monotonic clock in seconds.
        seconds: For how long one is remembered.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, seconds: float = _REMEMBERED_S
    ) -> None:
        self._now = now
        self._seconds = seconds
        # The longest ago first.
        self._asked: OrderedDict[str, float] = OrderedDict()

    def add(self, tenant_id: str) -> None:
        self._asked[tenant_id] = self._now()
        self._asked.move_to_end(tenant_id)

    def __contains__(self, tenant_id: str) -> bool:
        self._forget()
        return tenant_id in self._asked

    def others(self, tenant_id: str) -> Iterator[str]:
        """Yields all but one."""
        self._forget()
        return (each for each in self._asked if each != tenant_id)

    def _forget(self) -> None:
        since = self._now() - self._seconds
        while self._asked and next(iter(self._asked.values())) < since:
            self._asked.popitem(last=False)
