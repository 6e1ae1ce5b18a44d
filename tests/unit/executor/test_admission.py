import asyncio

import pytest

from skillbox_common.errors import CapacityExhausted
from skillbox_executor.admission import Admission, Limits, Load


def load(waiting: int = 0, tenant_waiting: int = 0, held: int = 0, ahead: int = 0) -> Load:
    return Load(waiting, tenant_waiting, held, ahead)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def admission(clock: Clock | None = None, **limits: int) -> Admission:
    all_limits = {"slots": 2, "queue": 4, "tenant_queue": 3, **limits}
    return Admission(Limits(**all_limits), clock or Clock())


def test_slots_are_given_out_once_and_come_back() -> None:
    slots = admission()
    assert [slots.take_slot("a") for _ in range(3)] == [True, True, False]
    slots.give_back("a")
    assert [slots.take_slot("a") for _ in range(2)] == [True, False]


def test_nothing_is_given_out_after_the_end() -> None:
    slots = admission()
    assert slots.take_slot("a")
    slots.close()
    slots.give_back("a")
    assert not slots.take_slot("a")


def test_who_is_alone_may_have_every_slot() -> None:
    slots = admission(slots=4, reserved=2)
    assert [slots.take_slot("a") for _ in range(5)] == [True, True, True, True, False]
    assert slots.sated == {"a"}


def test_a_tenant_leaves_slots_to_the_others_of_late() -> None:
    clock = Clock()
    slots = admission(clock, slots=4, reserved=1)
    assert slots.take_slot("b")
    slots.give_back("b")
    assert [slots.take_slot("a") for _ in range(4)] == [True, True, True, False]
    assert slots.sated == {"a"}
    assert slots.take_slot("b")
    slots.give_back("b")
    slots.give_back("a")
    assert not slots.sated
    assert slots.take_slot("a")
    clock.now += 301
    assert slots.take_slot("a")


def test_who_is_not_known_yet_counts_for_everybody() -> None:
    slots = admission(slots=3, reserved=1)
    assert slots.take_slot("b")
    slots.give_back("b")
    assert slots.take_slot("a")
    assert slots.take_slot(None)
    # It could become the second one of this tenant, and a third would be the last.
    assert not slots.take_slot("a")
    assert slots.take_slot("b")
    slots.give_back("b")
    slots.assign("a")
    assert slots.sated == {"a"}
    for _ in range(2):
        slots.give_back("a")
    assert [slots.take_slot("a") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("state", "slot", "runs"),
    [
        (load(), True, True),
        (load(), False, False),
        # Who came before goes before, but not those of whom more runs already.
        (load(waiting=1, ahead=1), True, False),
        (load(waiting=1, tenant_waiting=1), True, False),
        (load(waiting=3), True, True),
        (load(held=1), True, True),
        (load(held=2), True, False),
        (load(waiting=3, tenant_waiting=2, held=2), False, False),
    ],
)
def test_who_runs_at_once_and_who_waits(state: Load, slot: bool, runs: bool) -> None:
    assert admission(tenant_ceiling=2).may_run(state, slot=slot) is runs


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (load(waiting=4, ahead=1), "all places are taken"),
        (load(waiting=3, tenant_waiting=3), "all places of the tenant are taken"),
    ],
)
def test_who_is_turned_away(state: Load, message: str) -> None:
    with pytest.raises(CapacityExhausted, match=f"^{message}; try again later$") as caught:
        admission().may_run(state, slot=False)
    assert caught.value.retry_after == 1


def test_a_slot_in_the_hand_counts_as_a_place() -> None:
    full = load(waiting=4, ahead=1)
    assert not admission().may_run(full, slot=True)
    with pytest.raises(CapacityExhausted):
        admission().may_run(load(waiting=5, ahead=1), slot=True)


def test_a_slot_is_enough_where_nobody_may_wait() -> None:
    slots = admission(queue=0, tenant_queue=0)
    assert slots.may_run(load(), slot=True)
    with pytest.raises(CapacityExhausted):
        slots.may_run(load(), slot=False)


async def test_a_refusal_holds_for_a_moment_and_is_repeated_later() -> None:
    clock = Clock()
    slots, loop = admission(clock), asyncio.get_running_loop()
    assert slots.take_slot("a")
    slots.refused("a", CapacityExhausted("full", 7))
    begun = loop.time()
    with pytest.raises(CapacityExhausted, match=r"^full$") as caught:
        await slots.check("a")
    assert caught.value.retry_after == 7
    assert loop.time() - begun >= 0.15
    await slots.check("b")
    # A place may be free when a slot was freed, and after a while in any case.
    slots.give_back("a")
    await slots.check("a")
    slots.refused("a", CapacityExhausted("full", 7))
    clock.now += 1
    await slots.check("a")


def test_how_long_to_stay_away_follows_how_long_executions_take() -> None:
    slots, full = admission(), load(waiting=4, ahead=1)

    def retry_after() -> int:
        with pytest.raises(CapacityExhausted) as caught:
            slots.may_run(full, slot=False)
        return caught.value.retry_after

    for _ in range(50):
        slots.give_back("a", 10.0)
    assert retry_after() == 5
    for _ in range(50):
        slots.give_back("a", 10_000.0)
    assert retry_after() == 60
