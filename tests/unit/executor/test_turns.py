"""Turns of those who stand behind others."""

import asyncio

import pytest

from skillbox_executor.turns import Turns


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_turns_are_given_in_order_and_few_at_a_time() -> None:
    turns, inside, leave = Turns(lambda: None), [], asyncio.Event()

    async def go(number: int) -> None:
        async with turns.turn():
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
        async with turns.turn():
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
