"""Order in a crowd."""

import asyncio

import pytest

from skillbox_executor.turnstile import Turnstile
from tests.support.waiting import until


class Crowd:
    """Goes through a turnstile and notes who is in and who has been."""

    def __init__(self, turnstile: Turnstile) -> None:
        self.turnstile = turnstile
        self.inside: list[int] = []
        self.open = asyncio.Event()

    async def go(self, number: int, tenant_id: str = "one") -> None:
        async with self.turnstile.passing(tenant_id):
            self.inside.append(number)
            await self.open.wait()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_few_at_a_time_in_order() -> None:
    crowd = Crowd(Turnstile(2, patience_s=60))
    async with asyncio.TaskGroup() as tasks:
        for number in range(5):
            tasks.create_task(crowd.go(number))
        await settled()
        assert crowd.inside == [0, 1]
        crowd.open.set()
    assert crowd.inside == [0, 1, 2, 3, 4]


async def test_nobody_waits_for_those_of_another_tenant() -> None:
    crowd = Crowd(Turnstile(1, patience_s=60))
    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(crowd.go(number))
        await settled()
        tasks.create_task(crowd.go(3, "other"))
        await settled()
        assert crowd.inside == [0, 3]
        crowd.open.set()
    assert sorted(crowd.inside) == [0, 1, 2, 3]


async def test_nobody_waits_for_ever() -> None:
    crowd = Crowd(Turnstile(1, patience_s=0.01))
    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(crowd.go(number))
        await until(lambda: len(crowd.inside) == 3)
        crowd.open.set()


@pytest.mark.parametrize("leaver", [0, 1])
async def test_who_leaves_makes_room(leaver: int) -> None:
    crowd = Crowd(Turnstile(1, patience_s=60))
    tasks = [asyncio.create_task(crowd.go(number)) for number in range(3)]
    await settled()
    tasks[leaver].cancel()
    await settled()
    crowd.open.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert crowd.inside == sorted({0, 1, 2} - ({leaver} if leaver else set()))
