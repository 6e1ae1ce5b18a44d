"""Whose runs use boxes."""

import pytest

from skillbox_executor.users import Users


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("boxes", "seconds", "quiet"), [(0, 1, True), (1, 1, True), (2, 1, False), (1, 3, False)]
)
def test_a_tenant_is_quiet_that_asked_a_moment_ago_and_uses_one_box_at_most(
    boxes: int, seconds: float, quiet: bool
) -> None:
    clock = Clock()
    users = Users(clock)
    users.asks("other")
    if boxes == 0:
        users.leaves("other")
    for _ in range(boxes - 1):
        users.asks("other")
    for _ in range(5):
        users.asks("flooder")
    clock.now += seconds
    assert users.someone_quiet_beside("flooder") is quiet


def test_nobody_is_quiet_beside_himself() -> None:
    users = Users()
    users.asks("me")
    assert not users.someone_quiet_beside("me")
    assert users.someone_quiet_beside("somebody")
