import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

import skillbox_executor.pool as pool_module
from skillbox_executor.image_watch import watch_images
from skillbox_executor.pool import PoolLimits, PoolSnapshot, Start, WarmPool
from skillbox_executor.sandbox.interface import (
    Box,
    EngineUnavailable,
    ImageMissing,
    Language,
    Limits,
    Profile,
    SandboxError,
)
from tests.service.executor.scripted import ScriptedBox, ScriptedDriver
from tests.support.waiting import until

PROFILE = Profile("python", Language.PYTHON, Limits(1024, 1.0))
OTHER = replace(PROFILE, image="other")


class CountingDriver(ScriptedDriver):
    """Numbers its boxes; starts and ends wait until a gate is open; boxes die on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)
        self.gate = asyncio.Event()
        self.gate.set()
        self.ending_gate = asyncio.Event()
        self.ending_gate.set()
        self.ending: list[Box] = []
        self.starting = 0
        self.most_starting = 0
        self.dead: set[Box] = set()
        self.destroy_error: SandboxError | None = None
        self.made: list[Box] = []

    async def prepare(self, profile: Profile) -> Box:
        self.starting += 1
        self.most_starting = max(self.most_starting, self.starting)
        try:
            await self.gate.wait()
            await asyncio.sleep(self.prepare_s)
            if self.prepare_error:
                raise self.prepare_error
            digest = await self.image_digest(profile.image)
            box = ScriptedBox(f"box-{next(self.numbers)}", profile, digest)
        finally:
            self.starting -= 1
        self.boxes.add(box)
        self.made.append(box)
        return box

    def alive(self, box: Box) -> bool:
        return box not in self.dead

    async def destroy(self, box: Box) -> None:
        if self.destroy_error:
            raise self.destroy_error
        self.ending.append(box)
        await self.ending_gate.wait()
        await super().destroy(box)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def driver() -> CountingDriver:
    return CountingDriver()


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., AbstractAsyncContextManager[WarmPool]]


@pytest.fixture
def make(driver: CountingDriver, clock: Clock) -> Make:
    @asynccontextmanager
    async def pool(
        boxes: int = 4,
        per_profile: int = 3,
        idle_s: float = 300,
        age_s: float = 600,
        minimum: int = 1,
        always: Sequence[Profile] = (),
    ) -> AsyncIterator[WarmPool]:
        limits = PoolLimits(boxes, per_profile, 2, idle_s, age_s, minimum)
        made = WarmPool(driver, limits, always, clock)
        async with made.kept_warm():
            yield made

    return pool


async def take(pool: WarmPool, driver: CountingDriver, profile: Profile = PROFILE) -> Start:
    box, start = await pool.acquire(profile)
    pool.release(box)
    await until(lambda: box not in driver.boxes)
    return start


async def test_the_first_run_is_cold_and_the_next_one_warm(
    make: Make, driver: CountingDriver
) -> None:
    async with make() as pool:
        assert await take(pool, driver) is Start.COLD
        await until(lambda: pool.snapshot().idle == 1)
        assert await take(pool, driver) is Start.WARM
    assert not driver.boxes


async def test_no_box_is_given_out_twice_to_a_hundred_at_once(
    make: Make, driver: CountingDriver
) -> None:
    async with make() as pool:
        taken = await asyncio.gather(*(pool.acquire(PROFILE) for _ in range(100)))
        assert len({box for box, _ in taken}) == 100
        for box, _ in taken:
            await driver.destroy(box)
    assert not driver.boxes


async def test_demand_decides_how_many_wait(
    make: Make, driver: CountingDriver, clock: Clock
) -> None:
    async with make() as pool:
        for _ in range(5):
            await take(pool, driver)
        await until(lambda: len(driver.boxes) == 3)
        await asyncio.sleep(0.05)
        assert len(driver.boxes) == 3
        assert driver.most_starting <= 2
        clock.now += 60
        for _ in range(3):
            await take(pool, driver)
            clock.now += 11
        await until(lambda: len(driver.boxes) == 1)


async def test_boxes_that_died_or_are_too_old_are_not_given_out(
    make: Make, driver: CountingDriver, clock: Clock
) -> None:
    async with make(per_profile=1, age_s=50, idle_s=1000) as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)
        driver.dead |= driver.boxes
        assert await take(pool, driver) is Start.COLD
        await until(lambda: bool(driver.boxes) and not driver.boxes & driver.dead)
        clock.now += 51
        assert await take(pool, driver) is Start.COLD


async def test_an_idle_profile_is_given_up(
    make: Make, driver: CountingDriver, clock: Clock
) -> None:
    async with make(idle_s=30) as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)
        clock.now += 31
        await until(lambda: not driver.boxes)


async def test_a_profile_in_use_takes_the_room_of_one_that_is_not(
    make: Make, driver: CountingDriver
) -> None:
    async with make(boxes=2, per_profile=2) as pool:
        await take(pool, driver)
        await take(pool, driver)
        await until(lambda: [box.profile for box in driver.boxes] == [PROFILE] * 2)
        await take(pool, driver, OTHER)
        await until(lambda: {box.profile for box in driver.boxes} == {PROFILE, OTHER})
        assert len(driver.boxes) <= 2


async def test_limits_are_part_of_the_profile(make: Make, driver: CountingDriver) -> None:
    async with make() as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)
        more = replace(PROFILE, limits=replace(PROFILE.limits, memory_bytes=2048))
        box, start = await pool.acquire(more)
        assert (box.profile, start) == (more, Start.COLD)
        await driver.destroy(box)


async def test_a_run_joins_a_start_that_is_under_way(make: Make, driver: CountingDriver) -> None:
    async with make(per_profile=1) as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)
        driver.gate.clear()
        await take(pool, driver)
        await until(lambda: driver.starting == 1)
        joining = asyncio.create_task(pool.acquire(PROFILE))
        await asyncio.sleep(0.02)
        assert driver.starting == 1
        driver.gate.set()
        box, start = await joining
        assert start is Start.COLD
        await driver.destroy(box)


async def test_one_box_is_started_ahead_while_runs_wait_for_their_own_start(
    make: Make, driver: CountingDriver
) -> None:
    async with make() as pool:
        driver.gate.clear()
        waiting = [asyncio.create_task(pool.acquire(PROFILE)) for _ in range(3)]
        await until(lambda: driver.starting == 4)
        await asyncio.sleep(0.05)
        assert driver.starting == 4
        driver.gate.set()
        for box, _ in await asyncio.gather(*waiting):
            pool.release(box)


async def test_runs_that_keep_coming_do_not_stay_cold(driver: CountingDriver) -> None:
    driver.prepare_s = 0.3
    pool = WarmPool(driver, PoolLimits(6, 4))
    starts = []

    async def run() -> None:
        box, start = await pool.acquire(PROFILE)
        starts.append(start)
        pool.release(box, idle=True)

    async with pool.kept_warm(), asyncio.TaskGroup() as tasks:
        for _ in range(12):
            tasks.create_task(run())
            await asyncio.sleep(0.2)
    assert starts[-3:] == [Start.WARM] * 3


async def test_a_start_that_fails_ahead_is_tried_again_later(
    make: Make, driver: CountingDriver, clock: Clock
) -> None:
    async with make(per_profile=1) as pool:
        driver.gate.clear()
        first = asyncio.create_task(take(pool, driver))
        await asyncio.sleep(0.01)
        driver.gate.set()
        await first
        driver.prepare_error = EngineUnavailable("away")
        await asyncio.sleep(0.05)
        with pytest.raises(EngineUnavailable):
            driver.dead |= driver.boxes
            await pool.acquire(PROFILE)
        driver.prepare_error = None
        clock.now += 10
        await until(lambda: bool(driver.boxes - driver.dead))


async def test_a_caller_who_leaves_while_joining_leaves_no_box(
    make: Make, driver: CountingDriver
) -> None:
    async with make(per_profile=1) as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)
        driver.gate.clear()
        await take(pool, driver)
        await until(lambda: driver.starting == 1)
        joining = asyncio.create_task(pool.acquire(PROFILE))
        await asyncio.sleep(0.02)
        joining.cancel()
        await asyncio.wait({joining})
        driver.gate.set()
    assert not driver.boxes


async def test_a_pool_of_no_boxes_starts_every_run_cold(make: Make, driver: CountingDriver) -> None:
    async with make(boxes=0) as pool:
        for _ in range(3):
            assert await take(pool, driver) is Start.COLD
        await asyncio.sleep(0.05)
        assert len(driver.made) == 3


async def test_a_profile_that_is_always_kept_is_warm_at_once(
    make: Make, driver: CountingDriver, clock: Clock
) -> None:
    async with make(idle_s=30, always=[PROFILE]) as pool:
        await until(lambda: pool.snapshot().idle == 1)
        clock.now += 31
        assert await take(pool, driver) is Start.WARM
        clock.now += 31
        await until(lambda: len(driver.boxes) == 1)


async def test_a_minimum_waits_without_demand(make: Make, driver: CountingDriver) -> None:
    async with make(minimum=2, always=[PROFILE, OTHER]):
        await until(lambda: len(driver.boxes) == 4)
    async with make(minimum=0) as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)


async def test_a_minimum_of_none_is_kept_only_while_there_is_demand(
    make: Make, driver: CountingDriver, clock: Clock
) -> None:
    async with make(minimum=0, age_s=20) as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)
        clock.now += 21
        await until(lambda: not driver.boxes)
        await asyncio.sleep(0.05)
        assert not driver.boxes


async def test_no_box_is_started_ahead_while_a_run_has_just_begun(
    make: Make, driver: CountingDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_CALM_FOR_RUN_S", 0.5)
    async with make(per_profile=1) as pool:
        await take(pool, driver)
        await until(lambda: len(driver.boxes) == 1)
        await asyncio.sleep(0.05)  # the calm time of the run before is over
        box, _ = await pool.acquire(PROFILE)
        await asyncio.sleep(0.05)
        assert driver.boxes == {box}
        await until(lambda: len(driver.boxes) == 2)  # a run that is long does not hold it up
        pool.release(box)


async def test_a_box_of_an_image_that_changed_is_replaced(
    make: Make, driver: CountingDriver
) -> None:
    driver.digests = {"python": "one", "other": "same"}
    async with make(always=[PROFILE, OTHER]) as pool:
        await until(lambda: len(driver.boxes) == 2)
        before = {box.profile: box for box in driver.boxes}
        driver.digests["python"] = "two"
        watching = asyncio.create_task(watch_images(driver, pool, 0.01))
        await until(lambda: len(pool.waiting()) == 2 and before[PROFILE] not in pool.waiting())
        assert before[OTHER] in driver.boxes
        box, start = await pool.acquire(PROFILE)
        assert start is Start.WARM
        assert (await driver.evidence(box)).image_digest == "two"
        pool.release(box)
        watching.cancel()


class WithoutImages(CountingDriver):
    """An engine that lost its images, or does not answer."""

    error: SandboxError | None = None

    async def image_digest(self, image: str) -> str:
        if self.error:
            raise self.error
        return ""


@pytest.mark.parametrize(
    ("error", "left"), [(ImageMissing("gone"), 0), (EngineUnavailable("away"), 1)]
)
async def test_only_an_image_that_is_gone_costs_its_boxes(error: SandboxError, left: int) -> None:
    driver = WithoutImages()
    pool = WarmPool(driver, PoolLimits(1, 1), [PROFILE])
    async with pool.kept_warm():
        await until(lambda: len(driver.boxes) == 1)
        driver.error, driver.prepare_error = error, error
        watching = asyncio.create_task(watch_images(driver, pool, 0.01))
        await until(lambda: len(driver.boxes) == left)
        await asyncio.sleep(0.1)
        assert len(driver.boxes) == left
        watching.cancel()


async def hold(pool: WarmPool, tenant_id: str, count: int) -> list[Box]:
    taken = await asyncio.gather(*(pool.acquire(PROFILE, tenant_id) for _ in range(count)))
    return [box for box, _ in taken]


async def test_who_uses_many_boxes_leaves_the_waiting_ones_to_the_others(
    make: Make, driver: CountingDriver
) -> None:
    async with make(always=[PROFILE]) as pool:
        for _ in range(3):
            pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        held = await hold(pool, "flooder", 2)
        await until(lambda: pool.snapshot().idle == 3)
        box, start = await pool.acquire(PROFILE, "flooder")
        assert (start, pool.snapshot().idle) == (Start.COLD, 3)
        # The others find theirs.
        for _ in range(3):
            taken, start = await pool.acquire(PROFILE, "quiet")
            assert start is Start.WARM
            pool.release(taken)
        for each in (*held, box):
            pool.release(each)


async def test_who_uses_few_may_have_any_box(make: Make, driver: CountingDriver) -> None:
    async with make(always=[PROFILE], minimum=2) as pool:
        for tenant_id in ("one", "other", "one"):
            await until(lambda: pool.snapshot().idle >= 2)
            box, start = await pool.acquire(PROFILE, tenant_id)
            assert start is Start.WARM
            pool.release(box)


async def test_boxes_beyond_what_the_others_need_are_for_everybody(
    make: Make, driver: CountingDriver
) -> None:
    async with make(always=[PROFILE], minimum=3) as pool:
        pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        held = await hold(pool, "flooder", 1)
        await until(lambda: pool.snapshot().idle == 3)
        starts = []
        for _ in range(3):
            box, start = await pool.acquire(PROFILE, "flooder")
            held.append(box)
            starts.append(start)
        # One is kept, for the one run of late; the rest is not.
        assert starts == [Start.WARM, Start.WARM, Start.COLD]
        for each in held:
            pool.release(each)


async def test_boxes_of_others_are_started_before_those_of_who_has_many(
    make: Make, driver: CountingDriver
) -> None:
    async with make(per_profile=2, always=[PROFILE], minimum=2) as pool:
        for _ in range(2):
            pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        held = await hold(pool, "flooder", 1)
        await until(lambda: pool.snapshot().idle == 2)
        driver.gate.clear()
        flood = [asyncio.create_task(pool.acquire(PROFILE, "flooder")) for _ in range(6)]
        await until(lambda: driver.starting == 1)
        await asyncio.sleep(0.05)
        assert driver.starting == 1
        # Who has few does not stand behind them.
        taken = await hold(pool, "quiet", 2)
        cold = asyncio.create_task(pool.acquire(PROFILE, "other"))
        await until(lambda: driver.starting >= 2)
        driver.gate.set()
        for box, _ in await asyncio.gather(cold, *flood):
            pool.release(box)
        for each in (*held, *taken):
            pool.release(each)
    assert not driver.boxes


async def test_the_boxes_of_who_has_many_weigh_little(make: Make, driver: CountingDriver) -> None:
    async with make(boxes=0) as pool:
        pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        boxes = await hold(pool, "flooder", 2)
        assert boxes[0].profile == PROFILE
        assert 0 < boxes[1].profile.limits.weight < PROFILE.limits.weight
        assert replace(boxes[1].profile, limits=PROFILE.limits) == PROFILE
        for each in boxes:
            pool.release(each)


async def test_the_boxes_of_who_has_many_end_in_turns(make: Make, driver: CountingDriver) -> None:
    async with make(boxes=0) as pool:
        pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        first, second, third, busy, *held = await hold(pool, "flooder", 6)
        quiet, _ = await pool.acquire(PROFILE, "quiet")
        driver.ending.clear()
        driver.ending_gate.clear()
        for each in (first, second, third):
            pool.release(each, idle=True)
        await until(lambda: driver.ending == [first])
        pool.release(busy)
        pool.release(quiet, idle=True)
        await until(lambda: set(driver.ending) == {first, busy, quiet})
        await asyncio.sleep(0.05)
        assert len(driver.ending) == 3
        driver.ending_gate.set()
        await until(lambda: second not in driver.boxes)
        for each in held:
            pool.release(each)
    assert not driver.boxes


async def test_no_turn_is_waited_for_at_the_end(make: Make, driver: CountingDriver) -> None:
    async with make(boxes=0) as pool:
        pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        held = await hold(pool, "flooder", 4)
        driver.ending_gate.clear()
        for each in held:
            pool.release(each, idle=True)
        asyncio.get_running_loop().call_later(0.1, driver.ending_gate.set)
    assert not driver.boxes


async def test_who_leaves_while_behind_takes_nobodys_turn(
    make: Make, driver: CountingDriver
) -> None:
    async with make(boxes=0) as pool:
        pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        held = await hold(pool, "flooder", 1)
        driver.gate.clear()
        flood = [asyncio.create_task(pool.acquire(PROFILE, "flooder")) for _ in range(6)]
        await until(lambda: driver.starting == 1)
        for task in flood[:4]:  # one that has begun, and three that have not
            task.cancel()
        await asyncio.wait(flood[:4])
        driver.gate.set()
        for box, _ in await asyncio.gather(*flood[4:]):
            pool.release(box)
        for each in held:
            pool.release(each)
    assert not driver.boxes


async def test_a_flood_of_profiles_does_not_drive_out_what_others_use(
    make: Make, driver: CountingDriver
) -> None:
    async with make(boxes=2, per_profile=2) as pool:
        for _ in range(2):
            pool.release((await pool.acquire(PROFILE, "quiet"))[0])
        await until(lambda: pool.snapshot().idle == 2)
        held = await hold(pool, "flooder", 1)
        held += await hold(pool, "flooder", 1)  # of the profile that both use
        for number in range(5):
            held.append((await pool.acquire(replace(PROFILE, image=f"{number}"), "flooder"))[0])
        await until(lambda: pool.snapshot().idle == 2)
        assert {box.profile for box in pool.waiting()} == {PROFILE}
        for each in held:
            pool.release(each)


async def test_a_box_that_cannot_be_destroyed_is_tried_again(
    make: Make, driver: CountingDriver
) -> None:
    async with make(minimum=0) as pool:
        box, _ = await pool.acquire(PROFILE)
        driver.destroy_error = EngineUnavailable("away")
        pool.release(box)
        await asyncio.sleep(0.1)
        assert box in driver.boxes
        driver.destroy_error = None
        await until(lambda: box not in driver.boxes)


async def test_boxes_of_an_engine_that_restarted_are_replaced(
    make: Make, driver: CountingDriver
) -> None:
    async with make(minimum=2, always=[PROFILE]) as pool:
        await until(lambda: len(driver.boxes) == 2)
        driver.dead |= driver.boxes
        await until(lambda: len({*pool.waiting()} - driver.dead) == 2)
        assert await take(pool, driver) is Start.WARM


async def test_the_snapshot_counts(make: Make, driver: CountingDriver) -> None:
    async with make(per_profile=1) as pool:
        assert pool.snapshot() == PoolSnapshot(idle=0, starting=0, ending=0, hits=0, misses=0)
        await take(pool, driver)
        await until(lambda: pool.snapshot().idle == 1)
        await take(pool, driver)
        await until(lambda: pool.snapshot() == PoolSnapshot(1, 0, 0, hits=1, misses=1))


async def test_a_hundred_at_once_leave_the_pool_as_it_was(
    make: Make, driver: CountingDriver
) -> None:
    async with make(boxes=4, per_profile=4, always=[PROFILE], minimum=4) as pool:
        await until(lambda: len(driver.boxes) == 4)

        async def run() -> tuple[Box, Start]:
            box, start = await pool.acquire(PROFILE)
            await asyncio.sleep(0)
            pool.release(box)
            return box, start

        ran = await asyncio.gather(*(run() for _ in range(100)))
        assert len({box for box, _ in ran}) == 100
        assert [start for _, start in ran].count(Start.WARM) >= 4
        await until(lambda: pool.snapshot().idle == 4 and len(driver.boxes) == 4)
    assert not driver.boxes
