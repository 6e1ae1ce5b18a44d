"""When the use of a key is written."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from skillbox_auth.api_key import issue
from skillbox_auth.last_use import LastUse
from skillbox_common.errors import DependencyUnavailable

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = issue(tenant_id="t", name="n", scopes=[]).key


class Written:
    """Records what is written; may be out of order."""

    def __init__(self) -> None:
        self.calls: list[dict[UUID, datetime]] = []
        self.out_of_order = False

    async def touch(self, seen: Mapping[UUID, datetime]) -> None:
        if self.out_of_order:
            raise DependencyUnavailable("the database does not answer")
        self.calls.append(dict(seen))


async def test_many_uses_are_one_write() -> None:
    store = Written()
    uses = LastUse(store)
    for second in range(3):
        uses.used(KEY, NOW + timedelta(seconds=second))
    await uses.flush()
    await uses.flush()
    assert store.calls == [{KEY.id: NOW + timedelta(seconds=2)}]


async def test_a_use_less_than_a_minute_after_the_last_is_not_written() -> None:
    store = Written()
    uses = LastUse(store)
    key = replace(KEY, last_used_at=NOW)
    uses.used(key, NOW + MINUTE - timedelta(microseconds=1))
    await uses.flush()
    assert store.calls == []
    uses.used(key, NOW + MINUTE)
    await uses.flush()
    assert store.calls == [{KEY.id: NOW + MINUTE}]


async def test_what_could_not_be_written_is_written_later() -> None:
    store = Written()
    uses = LastUse(store)
    store.out_of_order = True
    uses.used(KEY, NOW)
    await uses.flush()
    store.out_of_order = False
    await uses.flush()
    assert store.calls == [{KEY.id: NOW}]


async def test_the_end_writes_what_is_left() -> None:
    store = Written()
    uses = LastUse(store, interval=60)
    async with uses.running():
        uses.used(KEY, NOW)
    assert store.calls == [{KEY.id: NOW}]
