"""Keeps started boxes ready, so that a run need not wait for one to start.

A box is used once, whoever it is for: boxes of one profile are interchangeable until a
payload is in one, and are destroyed afterwards. A profile's first run is cold, unless the
profile is one of those that are always kept; from then on its boxes are started ahead, as many
as its recent demand used, until it is idle for long. A tenant that uses many boxes leaves the
waiting ones to those who use fewer.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import structlog

from skillbox_common.tasks import background
from skillbox_executor.calm import Calm
from skillbox_executor.image_watch import watch_images
from skillbox_executor.sandbox.interface import Box, Driver, Profile, SandboxError
from skillbox_executor.shelf import Shelf, Waiting
from skillbox_executor.teardown import Teardown
from skillbox_executor.turns import Turns
from skillbox_executor.users import Users

_TICK_S = 1.0
_CALM_FOR_RUN_S = 0.1
_CALM_FOR_REPLY_S = 0.03
_WEIGHT_BEHIND = 8
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
        minimum: Boxes of each profile that wait even if nobody asked for one lately.
        image_check_s: Seconds between two looks at what the names of the images mean.
    """

    boxes: int
    per_profile: int
    parallel_starts: int = 2
    idle_s: float = 300.0
    age_s: float = 600.0
    minimum: int = 1
    image_check_s: float = 5.0


@dataclass(frozen=True)
class PoolSnapshot:
    """What a pool has, and what it did so far.

    Attributes:
        idle: Boxes that wait.
        starting: Boxes that are being started ahead.
        ending: Boxes that are being destroyed.
        hits: Boxes given out that waited already.
        misses: Boxes given out that did not.
    """

    idle: int
    starting: int
    ending: int
    hits: int
    misses: int


class WarmPool:
    """Gives out boxes, waiting ones first, and takes them back to destroy them.

    Args:
        always: Profiles that are kept warm from the start and for good.
        now: A monotonic clock in seconds.
    """

    def __init__(
        self,
        driver: Driver,
        limits: PoolLimits,
        always: Sequence[Profile] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._driver = driver
        self._limits = limits
        self._now = now
        # Least recently used first: those make room for others.
        self._shelves = OrderedDict((profile, Shelf(kept=True)) for profile in always)
        self._teardown = Teardown(driver)
        self._wake = asyncio.Event()
        self._calm = Calm(over=self._wake.set)
        self._cold_starts = 0
        self._users = Users(now)
        self._turns = Turns(self._wake.set)
        self._hits = 0
        self._misses = 0

    async def acquire(self, profile: Profile, tenant_id: str = "") -> tuple[Box, Start]:
        """Returns a box that nobody else has or will have; `release` it in any case.

        A tenant that uses more boxes than others of late is served behind them: it leaves them
        the waiting boxes that they will ask for, and starts few of its own at a time.

        Raises:
            SandboxError: See `Driver.prepare`.
        """
        others = self._users.lighter_than(tenant_id)
        shelf = self._shelf(profile, first=not others)
        kept = shelf.kept_for(others, self._now())
        shelf.asked(self._now(), tenant_id)
        self._users.asks(tenant_id)
        try:
            if box := self._waiting(shelf, kept):
                start = Start.WARM
            elif others:
                async with self._turn(tenant_id):
                    start, box = Start.COLD, await self._start(_yielding(profile), shelf, kept)
            else:
                start, box = Start.COLD, await self._start_at_once(profile, shelf)
        except BaseException:
            self._users.leaves(tenant_id)
            raise
        if start is Start.COLD:
            shelf.succeeded()
        self._users.gets(tenant_id, box)
        if not others:
            self._calm.hold(_CALM_FOR_RUN_S)
        return box, start

    def release(self, box: Box, *, idle: bool = False) -> None:
        """Destroys a box that was given out, in the background.

        Args:
            idle: Nothing runs in it any more, so that the reply of its run may go first.
        """
        tenant_id = self._users.returns(box)
        behind = self._users.lighter_than(tenant_id)
        if not behind:
            self._calm.hold(_CALM_FOR_REPLY_S)
        if not idle:
            self._teardown.add(box)  # whatever runs in it goes on until then
        elif behind and self._users.someone_quiet_beside(tenant_id):
            self._teardown.add(box, _CALM_FOR_REPLY_S, partial(self._turn, tenant_id))
        else:
            self._teardown.add(box, _CALM_FOR_REPLY_S)

    def snapshot(self) -> PoolSnapshot:
        """Returns what there is at this moment."""
        shelves = self._shelves.values()
        return PoolSnapshot(
            idle=sum(len(shelf.ready) for shelf in shelves),
            starting=self._starts(),
            ending=len(self._teardown),
            hits=self._hits,
            misses=self._misses,
        )

    def waiting(self) -> list[Box]:
        """Returns the boxes that wait for a run."""
        return [each.box for shelf in self._shelves.values() for each in shelf.ready]

    def drop(self, box: Box) -> None:
        """Destroys a box, if it still waits."""
        for shelf in self._shelves.values():
            for each in list(shelf.ready):
                if each.box is box:
                    self._drop(shelf, each)

    @asynccontextmanager
    async def kept_warm(self) -> AsyncIterator[None]:
        """Starts and replaces boxes while the context is open; destroys them at its end."""
        try:
            watching = watch_images(self._driver, self, self._limits.image_check_s)
            async with background(self._keep_warm()), background(watching):
                yield
        finally:
            self._calm.stop()
            self._turns.end()
            for profile in list(self._shelves):
                self._forget(profile)
            await self._teardown.finished()

    def _shelf(self, profile: Profile, *, first: bool) -> Shelf:
        """Returns the shelf of a profile, which is the most recently used one now.

        Args:
            first: Otherwise it stays where it is, or is the least recently used one if it is new.
        """
        if shelf := self._shelves.get(profile):
            if first:
                self._shelves.move_to_end(profile)
            return shelf
        shelf = self._shelves[profile] = Shelf()
        self._shelves.move_to_end(profile, last=first)
        return shelf

    def _waiting(self, shelf: Shelf, kept: int) -> Box | None:
        """Returns a box that waits, if there are more than these."""
        while len(shelf.ready) > kept:
            waiting = shelf.ready.popleft()
            if self._usable(waiting):
                self._hits += 1
                return waiting.box
            self._teardown.add(waiting.box)
        self._misses += 1
        return None

    async def _start_at_once(self, profile: Profile, shelf: Shelf) -> Box:
        self._cold_starts += 1
        try:
            return await self._start(profile, shelf)
        finally:
            self._cold_starts -= 1
            self._wake.set()

    def _turn(self, tenant_id: str) -> AbstractAsyncContextManager[None]:
        return self._turns.turn(rests=partial(self._users.someone_quiet_beside, tenant_id))

    def _give_turns(self) -> None:
        """Lets those start a box, or end one, who stand behind: half as many as the others."""
        if not self._calm:
            others = self._starts() + self._cold_starts
            self._turns.give(max(1, self._limits.parallel_starts // 2 - others))

    async def _start(self, profile: Profile, shelf: Shelf, kept: int = 0) -> Box:
        """Waits for a box that is being started ahead already, else starts one."""
        if shelf.starting and shelf.boxes > kept:
            starting = shelf.starting.popleft()
            try:
                return await asyncio.shield(starting)
            except SandboxError:
                pass  # the caller gets an attempt of its own
            except asyncio.CancelledError:
                self._teardown.add_started(starting)
                raise
        return await self._driver.prepare(profile)

    async def _keep_warm(self) -> None:
        while True:
            self._drop_stale()
            self._start_ahead()
            self._give_turns()
            # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            self._wake.clear()

    def _drop_stale(self) -> None:
        for profile, shelf in list(self._shelves.items()):
            if not shelf.kept and self._now() - shelf.last_use > self._limits.idle_s:
                self._forget(profile)
                continue
            for waiting in list(shelf.ready):
                if not self._usable(waiting):
                    self._drop(shelf, waiting)

    def _drop(self, shelf: Shelf, waiting: Waiting) -> None:
        shelf.ready.remove(waiting)
        self._teardown.add(waiting.box)
        self._wake.set()

    def _usable(self, waiting: Waiting) -> bool:
        young = self._now() - waiting.since < self._limits.age_s
        return young and self._driver.alive(waiting.box)

    def _start_ahead(self) -> None:
        # Runs that wait for their own start go before. But one box is started beside them: else
        # runs that keep coming would stay cold, each in the way of the next one's box.
        at_once = max(1, self._limits.parallel_starts - self._cold_starts)
        # Most recently used first.
        for profile, shelf in reversed(list(self._shelves.items())):
            while (
                not self._calm
                and self._starts() < at_once
                and shelf.boxes < self._wanted(shelf)
                and shelf.retry_at <= self._now()
                and self._has_room(profile)
            ):
                task = asyncio.create_task(self._driver.prepare(profile))
                shelf.starting.append(task)
                task.add_done_callback(partial(self._started, shelf))

    def _wanted(self, shelf: Shelf) -> int:
        """Returns how many boxes the recent demand would have used, within the limits."""
        demand = shelf.recent_demand(self._now())
        return min(max(self._limits.minimum, demand), self._limits.per_profile)

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
                self._drop(shelf, shelf.ready[0])
                return True
        return False

    def _started(self, shelf: Shelf, task: "asyncio.Task[Box]") -> None:
        self._wake.set()
        if task not in shelf.starting:
            return  # somebody waits for it, or gave it up
        shelf.starting.remove(task)
        if task.cancelled():
            return
        if error := task.exception():
            if shelf.failed(self._now(), str(error)):
                _log.warning("a box could not be started ahead", error=str(error))
            return
        shelf.succeeded()
        shelf.ready.append(Waiting(task.result(), self._now()))

    def _forget(self, profile: Profile) -> None:
        shelf = self._shelves.pop(profile)
        for waiting in shelf.ready:
            self._teardown.add(waiting.box)
        while shelf.starting:
            self._teardown.add_started(shelf.starting.popleft())


def _yielding(profile: Profile) -> Profile:
    """Returns the profile of a box that yields to others where there are not cores enough."""
    return replace(profile, limits=replace(profile.limits, weight=_WEIGHT_BEHIND))
