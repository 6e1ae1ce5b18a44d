"""Who is left in peace by whom."""

import asyncio

from skillbox_executor.calm import Begun


async def test_who_has_begun_is_waited_for_but_not_for_long() -> None:
    begun = Begun(seconds=0.05)
    await begun.over()
    begun.add("quick")
    begun.add("slow")
    waiting = asyncio.create_task(begun.over())
    await asyncio.sleep(0)
    begun.discard("quick")
    begun.add("later")  # is not waited for by those who are there already
    await asyncio.sleep(0)
    assert not waiting.done()
    begun.discard("slow")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waiting.done()
    await asyncio.wait_for(begun.over(), 5)
    begun.discard("later")
