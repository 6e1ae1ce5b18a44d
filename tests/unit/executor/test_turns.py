"""Turns of those who stand behind others."""

import asyncio
from collections.abc import Callable

import pytest

from skillbox_executor.turns import Turns


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_are_given_in_order_and_few_at_a_time() -> None:
    turns, inside, leave = Turns(lambda: None), [], asyncio.Event()

    async def go(number: int) -> None:
        async with turns.turn(rests=lambda: False):
            inside.append(number)
            await leave.wait()

    tasks = [asyncio.create_task(go(number)) for number in range(4)]
    await settled()
    assert inside == []
    turns.give(2)
    turns.give(2)
    await settled()
    assert inside == [0, 1]
    leave.set()
    await settled()
    turns.give(2)
    await asyncio.gather(*tasks)
    assert inside == [0, 1, 2, 3]


@pytest.mark.parametrize("given", [False, True])
async def test_who_leaves_takes_no_turn(given: bool) -> None:
    changes: list[None] = []
    turns = Turns(lambda: changes.append(None))

    async def go() -> None:
        async with turns.turn(rests=lambda: False):
            pass

    leaving, other = asyncio.create_task(go()), asyncio.create_task(go())
    await settled()
    if given:
        turns.give(1)  # it has its turn, but has not noticed
    leaving.cancel()
    await settled()
    turns.give(1)
    await other
    assert leaving.cancelled()
    assert len(changes) == 4


async def test_the_next_turn_waits_for_a_rest_as_long_as_the_one_before() -> None:
    order: list[str] = []
    turns = Turns(lambda: turns.give(1))
    loop = asyncio.get_running_loop()

    def rests() -> bool:
        # Of two calls that are due the loop makes the earlier one first, however late it is.
        loop.call_later(0.1, order.append, "in the middle of the rest")
        return True

    async def go(name: str, seconds: float, rests: Callable[[], bool]) -> None:
        async with turns.turn(rests):
            order.append(name)
            await asyncio.sleep(seconds)
        order.append(f"{name} ended")

    await go("short", 0.0, lambda: False)
    await asyncio.gather(go("long", 0.2, rests), go("next", 0.0, lambda: False))
    assert order[:5] == ["short", "short ended", "long", "long ended", "in the middle of the rest"]
    assert order[5:] == ["next", "next ended"]


async def test_at_the_end_everybody_has_a_turn() -> None:
    turns, inside = Turns(lambda: None), []

    async def go(number: int) -> None:
        async with turns.turn(rests=lambda: True):
            inside.append(number)
            await asyncio.sleep(0.01)

    waiting = [asyncio.create_task(go(number)) for number in range(3)]
    await settled()
    assert inside == []
    turns.end()
    await go(3)
    await asyncio.gather(*waiting)
    assert sorted(inside) == [0, 1, 2, 3]
