import pytest

from skillbox_common.errors import CapacityExhausted
from skillbox_executor.admission import Admission, Limits, Load

IDLE = Load(waiting=0, tenant_waiting=0, tenant_held=0)


def admission(**limits: int) -> Admission:
    return Admission(Limits(**{"slots": 2, "queue": 4, "tenant_queue": 3, **limits}))


def test_slots_are_given_out_once_and_come_back() -> None:
    slots = admission()
    assert [slots.take_slot() for _ in range(3)] == [True, True, False]
    slots.give_back()
    assert [slots.take_slot() for _ in range(2)] == [True, False]


def test_nothing_is_given_out_after_the_end() -> None:
    slots = admission()
    assert slots.take_slot()
    slots.close()
    slots.give_back()
    assert not slots.take_slot()


@pytest.mark.parametrize(
    ("load", "slot", "runs"),
    [
        (IDLE, True, True),
        (IDLE, False, False),
        # Who came before goes before.
        (Load(waiting=1, tenant_waiting=0, tenant_held=0), True, False),
        (Load(waiting=0, tenant_waiting=0, tenant_held=1), True, True),
        (Load(waiting=0, tenant_waiting=0, tenant_held=2), True, False),
        (Load(waiting=3, tenant_waiting=2, tenant_held=2), False, False),
    ],
)
def test_who_runs_at_once_and_who_waits(load: Load, slot: bool, runs: bool) -> None:
    assert admission(tenant_ceiling=2).may_run(load, slot=slot) is runs


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (Load(waiting=4, tenant_waiting=0, tenant_held=0), "all places are taken"),
        (Load(waiting=3, tenant_waiting=3, tenant_held=0), "all places of the tenant are taken"),
    ],
)
def test_who_is_turned_away(load: Load, message: str) -> None:
    with pytest.raises(CapacityExhausted, match=f"^{message}; try again later$") as caught:
        admission().may_run(load, slot=False)
    assert caught.value.retry_after == 1


def test_a_slot_in_the_hand_counts_as_a_place() -> None:
    full = Load(waiting=4, tenant_waiting=0, tenant_held=0)
    assert not admission().may_run(full, slot=True)
    with pytest.raises(CapacityExhausted):
        admission().may_run(Load(waiting=5, tenant_waiting=0, tenant_held=0), slot=True)


def test_a_slot_is_enough_where_nobody_may_wait() -> None:
    slots = admission(queue=0, tenant_queue=0)
    assert slots.may_run(IDLE, slot=True)
    with pytest.raises(CapacityExhausted):
        slots.may_run(IDLE, slot=False)


def test_how_long_to_stay_away_follows_how_long_executions_take() -> None:
    slots, full = admission(), Load(waiting=4, tenant_waiting=0, tenant_held=0)

    def retry_after() -> int:
        with pytest.raises(CapacityExhausted) as caught:
            slots.may_run(full, slot=False)
        return caught.value.retry_after

    for _ in range(50):
        slots.give_back(10.0)
    assert retry_after() == 5
    for _ in range(50):
        slots.give_back(10_000.0)
    assert retry_after() == 60
