import pytest

from skillbox_common.server import remembered


async def test_a_success_is_trusted_for_a_while_and_a_failure_never() -> None:
    now = 100.0
    asked: list[float] = []

    async def check() -> None:
        asked.append(now)
        if len(asked) == 2:
            raise ValueError

    again = remembered(check, 10, lambda: now)
    await again()
    await again()
    assert asked == [100.0]
    now = 110.0
    with pytest.raises(ValueError):
        await again()
    await again()
    assert asked == [100.0, 110.0, 110.0]
