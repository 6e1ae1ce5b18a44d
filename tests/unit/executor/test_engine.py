"""What a replica knows of its engine."""

import asyncio
from dataclasses import dataclass, field

import pytest

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.engine import PATIENCE_S, Engine
from skillbox_executor.sandbox.interface import EngineAway, EngineUnavailable, SandboxError


@dataclass
class Driver:
    problem: SandboxError | None = None
    asked: list[float] = field(default_factory=list)
    now: float = 100.0

    async def check(self) -> None:
        self.asked.append(asyncio.get_running_loop().time())
        if self.problem is not None:
            raise self.problem


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def engine(driver: Driver) -> Engine:
    return Engine(driver, now=lambda: driver.now)


async def test_a_good_answer_is_trusted_for_a_while(engine: Engine, driver: Driver) -> None:
    await engine.check()
    driver.problem = EngineUnavailable("refused")
    driver.now += 9
    await engine.check()
    assert len(driver.asked) == 1
    driver.now += 2
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="refused"):
            await engine.check()
    assert len(driver.asked) == 3
    assert not engine.away, "it answers"


async def test_a_check_that_cannot_reach_it_tells_everybody(engine: Engine, driver: Driver) -> None:
    driver.problem = EngineAway("no answer")
    with pytest.raises(EngineAway):
        await engine.check()
    assert engine.away


async def test_a_loss_counts_at_once_whatever_was_trusted(engine: Engine, driver: Driver) -> None:
    await engine.check()
    engine.lost()
    with pytest.raises(EngineAway):
        await engine.check()
    assert len(driver.asked) == 1


async def test_new_callers_are_turned_away_after_a_while_only(
    engine: Engine, driver: Driver
) -> None:
    engine.lost()
    driver.now += PATIENCE_S
    engine.lost()
    engine.require()
    assert engine.away_s == PATIENCE_S
    driver.now += 0.1
    with pytest.raises(DependencyUnavailable) as refused:
        engine.require()
    assert refused.value.retry_after == 2


async def test_it_is_asked_less_and_less_often_until_it_answers(
    engine: Engine, driver: Driver
) -> None:
    driver.problem = EngineAway("no answer")
    async with engine.watched(), asyncio.timeout(15):
        began = asyncio.get_running_loop().time()
        engine.lost()
        await until_asked(driver, 3)
        assert engine.away
        waits = [
            later - at for at, later in zip([began, *driver.asked], driver.asked, strict=False)
        ]
        for wait, longest in zip(waits, (0.25, 0.5, 1.0), strict=True):
            assert longest / 2 <= wait < longest + 1
        driver.problem = None
        await until_asked(driver, 4)
        await asyncio.sleep(0)
        assert not engine.away
        await engine.check()
        engine.lost()
        await until_asked(driver, 5)
    assert driver.asked[4] - driver.asked[3] > 1.0, "it was lost again at once"


async def until_asked(driver: Driver, times: int) -> None:
    while len(driver.asked) < times:  # noqa: ASYNC110 - the driver is simpler so
        await asyncio.sleep(0.005)
