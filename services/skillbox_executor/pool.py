"""Keeps started boxes ready, so that a run need not wait for one to start.

A box is used once, whoever it is for: boxes of one profile are interchangeable until a
payload is in one, and are destroyed afterwards. A profile's first run is cold; from then on
its boxes are started ahead, as many as its recent demand used, until it is idle for long.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

import structlog

from skillbox_common.tasks import background
from skillbox_executor.sandbox.interface import Box, Driver, Profile, SandboxError

_TICK_S = 1.0
_RETRY_S = 2.0
_DEMAND_WINDOW_S = 10.0
_log = structlog.get_logger(__name__)


class Start(StrEnum):
    """Whether a run found its box waiting."""

    COLD = "cold"
    WARM = "warm"


@dataclass(frozen=True)
class PoolLimits:
    """How much a pool may keep.

    Attributes:
        boxes: Boxes that wait or are being started, of all profiles together; 0 keeps none.
        per_profile: The same for one profile.
        parallel_starts: Boxes that are started ahead at the same time.
        idle_s: Seconds after its last run for which a profile is kept warm.
        age_s: Seconds after which a waiting box is replaced.
    """

    boxes: int
    per_profile: int
    parallel_starts: int = 2
    idle_s: float = 300.0
    age_s: float = 600.0


@dataclass(eq=False)
class _Waiting:
    box: Box
    since: float


@dataclass(eq=False)
class _Shelf:
    """The boxes of one profile.

    Attributes:
        demand: When its boxes were asked for, as far back as the demand window.
        retry_at: Before this, after a failed start, none is started ahead.
    """

    ready: deque[_Waiting] = field(default_factory=deque)
    starting: "deque[asyncio.Task[Box]]" = field(default_factory=deque)
    demand: deque[float] = field(default_factory=deque)
    last_use: float = 0.0
    retry_at: float = 0.0

    @property
    def boxes(self) -> int:
        return len(self.ready) + len(self.starting)


class WarmPool:
    """Gives out boxes, waiting ones first.

    Args:
        now: A monotonic clock in seconds.
    """

    def __init__(
        self, driver: Driver, limits: PoolLimits, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._driver = driver
        self._limits = limits
        self._now = now
        # Least recently used first: those make room for others.
        self._shelves: OrderedDict[Profile, _Shelf] = OrderedDict()
        self._wake = asyncio.Event()
        self._cold_starts = 0
        self._destroying: set[asyncio.Task[None]] = set()

    async def acquire(self, profile: Profile) -> tuple[Box, Start]:
        """Returns a box that nobody else has or will have; the caller destroys it.

        Raises:
            SandboxError: See `Driver.prepare`.
        """
        shelf = self._use(profile)
        self._wake.set()
        while shelf.ready:
            waiting = shelf.ready.popleft()
            if self._usable(waiting):
                return waiting.box, Start.WARM
            self._destroy(waiting.box)
        self._cold_starts += 1
        try:
            return await self._start(profile, shelf), Start.COLD
        finally:
            self._cold_starts -= 1
            self._wake.set()

    @asynccontextmanager
    async def kept_warm(self) -> AsyncIterator[None]:
        """Starts and replaces boxes while the context is open; destroys them at its end."""
        try:
            async with background(self._keep_warm()):
                yield
        finally:
            for profile in list(self._shelves):
                self._forget(profile)
            while self._destroying:
                await asyncio.wait(self._destroying)

    def _use(self, profile: Profile) -> _Shelf:
        shelf = self._shelves.setdefault(profile, _Shelf())
        self._shelves.move_to_end(profile)
        shelf.last_use = self._now()
        shelf.demand.append(shelf.last_use)
        return shelf

    async def _start(self, profile: Profile, shelf: _Shelf) -> Box:
        """Waits for a box that is being started ahead already, else starts one."""
        if shelf.starting:
            starting = shelf.starting.popleft()
            try:
                return await asyncio.shield(starting)
            except SandboxError:
                pass  # the caller gets an attempt of its own
            except asyncio.CancelledError:
                self._give_up(starting)
                raise
        return await self._driver.prepare(profile)

    async def _keep_warm(self) -> None:
        while True:
            # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            self._wake.clear()
            self._drop_stale()
            self._start_ahead()

    def _drop_stale(self) -> None:
        for profile, shelf in list(self._shelves.items()):
            if self._now() - shelf.last_use > self._limits.idle_s:
                self._forget(profile)
                continue
            for waiting in list(shelf.ready):
                if not self._usable(waiting):
                    shelf.ready.remove(waiting)
                    self._destroy(waiting.box)

    def _usable(self, waiting: _Waiting) -> bool:
        young = self._now() - waiting.since < self._limits.age_s
        return young and self._driver.alive(waiting.box)

    def _start_ahead(self) -> None:
        # Most recently used first. A run that waits for its own start goes before all of them.
        for profile, shelf in reversed(list(self._shelves.items())):
            while (
                not self._cold_starts
                and self._starts() < self._limits.parallel_starts
                and shelf.boxes < self._wanted(shelf)
                and shelf.retry_at <= self._now()
                and self._has_room(profile)
            ):
                task = asyncio.create_task(self._driver.prepare(profile))
                shelf.starting.append(task)
                task.add_done_callback(partial(self._started, shelf))

    def _wanted(self, shelf: _Shelf) -> int:
        """Returns how many boxes the recent demand would have used, at least one."""
        while shelf.demand and self._now() - shelf.demand[0] > _DEMAND_WINDOW_S:
            shelf.demand.popleft()
        return min(max(1, len(shelf.demand)), self._limits.per_profile)

    def _starts(self) -> int:
        return sum(len(shelf.starting) for shelf in self._shelves.values())

    def _has_room(self, profile: Profile) -> bool:
        """Makes room for one more box, at the cost of profiles that were used less recently."""
        if sum(shelf.boxes for shelf in self._shelves.values()) < self._limits.boxes:
            return True
        for other, shelf in self._shelves.items():
            if other == profile:
                return False
            if shelf.ready:
                self._destroy(shelf.ready.popleft().box)
                return True
        return False

    def _started(self, shelf: _Shelf, task: "asyncio.Task[Box]") -> None:
        self._wake.set()
        if task not in shelf.starting:
            return  # somebody waits for it, or gave it up
        shelf.starting.remove(task)
        if task.cancelled():
            return
        if error := task.exception():
            shelf.retry_at = self._now() + _RETRY_S
            _log.warning("a box could not be started ahead", error=str(error))
            return
        shelf.ready.append(_Waiting(task.result(), self._now()))

    def _forget(self, profile: Profile) -> None:
        shelf = self._shelves.pop(profile)
        for waiting in shelf.ready:
            self._destroy(waiting.box)
        while shelf.starting:
            self._give_up(shelf.starting.popleft())

    def _give_up(self, starting: "asyncio.Task[Box]") -> None:
        """Destroys a box that nobody will use as soon as it has started."""

        async def destroy_when_started() -> None:
            with suppress(SandboxError):
                await self._driver.destroy(await starting)

        self._in_background(destroy_when_started())

    def _destroy(self, box: Box) -> None:
        self._in_background(self._driver.destroy(box))

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._destroying.add(task)
        task.add_done_callback(self._destroying.discard)
