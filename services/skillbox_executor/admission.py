"""Decides which executions run now, which wait and which are turned away."""

import asyncio

from skillbox_common.errors import CapacityExhausted


class Admission:
    """A number of slots and a bounded queue before them, first come first served.

    Args:
        slots: Executions that run at the same time.
        queue: Executions that may wait for a slot.

    Attributes:
        slot: Held as an asynchronous context manager while an execution runs.
    """

    def __init__(self, slots: int, queue: int) -> None:
        self.slot = asyncio.Semaphore(slots)
        self._capacity = slots + queue
        self._admitted = 0

    def enter(self) -> None:
        """Takes a place, at once or not at all; `leave` gives it back.

        Raises:
            CapacityExhausted: Every slot and every place in the queue is taken.
        """
        if self._admitted >= self._capacity:
            raise CapacityExhausted(f"all {self._capacity} places are taken; try again later")
        self._admitted += 1

    def leave(self) -> None:
        self._admitted -= 1
