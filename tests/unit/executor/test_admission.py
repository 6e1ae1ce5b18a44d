import pytest

from skillbox_common.errors import CapacityExhausted
from skillbox_executor.admission import Admission


def test_slots_and_queue_are_the_capacity_and_places_come_back() -> None:
    admission = Admission(slots=1, queue=1)
    admission.enter()
    admission.enter()
    with pytest.raises(CapacityExhausted, match="all 2 places are taken"):
        admission.enter()
    admission.leave()
    admission.enter()
