"""The cache before introspection."""

import asyncio
import gc
from datetime import UTC, datetime, timedelta

import pytest

from skillbox_common import introspection
from skillbox_common.errors import DependencyUnavailable
from skillbox_common.introspection import CachingIntrospector
from skillbox_common.principal import Principal
from tests.support.waiting import until


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(introspection, "time", clock)
    return clock


class Inner:
    """Knows every token but `unknown`; can be held up and out of order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failing = False
        self.expires_at: datetime | None = None
        self.unknown = {"unknown"}

    async def introspect(self, token: str) -> Principal | None:
        self.asked.append(token)
        await self.open.wait()
        if self.failing:
            raise DependencyUnavailable("the Auth service does not answer")
        if token in self.unknown:
            return None
        return Principal(token, "tenant", frozenset(), expires_at=self.expires_at)


@pytest.mark.parametrize("token", ["known", "unknown"])
async def test_an_answer_is_remembered_for_its_time(clock: Clock, token: str) -> None:
    inner = Inner()
    cache = CachingIntrospector(inner, ttl=2)
    first = await cache.introspect(token)
    assert (first is None) is (token == "unknown")
    clock.now += 1.9
    assert await cache.introspect(token) == first
    assert inner.asked == [token]
    clock.now += 0.2
    assert await cache.introspect(token) == first
    assert inner.asked == [token, token]


async def test_questions_at_once_are_asked_once() -> None:
    inner = Inner()
    cache = CachingIntrospector(inner)
    inner.open.clear()
    waiting = [asyncio.create_task(cache.introspect(token)) for token in "aaab"]
    await asyncio.sleep(0)
    inner.open.set()
    answers = await asyncio.gather(*waiting)
    assert sorted(inner.asked) == ["a", "b"]
    assert [answer and answer.key_id for answer in answers] == ["a", "a", "a", "b"]


async def test_who_goes_away_does_not_take_the_answer_from_others() -> None:
    inner = Inner()
    cache = CachingIntrospector(inner)
    inner.open.clear()
    first, second = (asyncio.create_task(cache.introspect("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    inner.open.set()
    assert await second is not None
    assert inner.asked == ["a"]


async def test_a_failure_is_told_to_all_and_not_remembered() -> None:
    inner = Inner()
    cache = CachingIntrospector(inner)
    inner.failing = True
    waiting = [cache.introspect("a") for _ in range(2)]
    failures = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(failure) for failure in failures] == [DependencyUnavailable] * 2
    inner.failing = False
    assert await cache.introspect("a") is not None
    assert inner.asked == ["a", "a"]


async def test_a_failure_that_nobody_waits_for_is_no_complaint() -> None:
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        inner = Inner()
        inner.open.clear()
        waiting = asyncio.create_task(CachingIntrospector(inner).introspect("a"))
        await asyncio.sleep(0)
        waiting.cancel()
        inner.failing = True
        inner.open.set()
        await asyncio.sleep(0.01)
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert inner.asked == ["a"]
    assert complaints == []


async def test_a_remembered_key_ends_with_its_expiry(clock: Clock) -> None:
    inner = Inner()
    inner.expires_at = datetime.now(UTC) + timedelta(milliseconds=300)
    cache = CachingIntrospector(inner, ttl=60)
    assert await cache.introspect("a") is not None
    await asyncio.sleep(0.35)
    assert await cache.introspect("a") is None
    assert inner.asked == ["a"]


async def test_the_oldest_answer_makes_room() -> None:
    inner = Inner()
    cache = CachingIntrospector(inner, size=2)
    for token in "abcbca":
        await cache.introspect(token)
    assert inner.asked == ["a", "b", "c", "a"]


async def test_an_answer_in_use_is_renewed_and_then_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(introspection, "_RENEWED_FOR_S", 0.15)
    inner = Inner()
    cache = CachingIntrospector(inner, ttl=0.1)
    await cache.introspect("known")
    await cache.introspect("unknown")
    await until(lambda: inner.asked.count("known") == 2)
    await asyncio.sleep(0.5)
    asked = inner.asked.count("known")
    await asyncio.sleep(0.2)
    assert inner.asked.count("known") == asked
    assert inner.asked.count("unknown") == 1


async def test_an_answer_that_cannot_be_renewed_is_not_used_longer() -> None:
    inner = Inner()
    cache = CachingIntrospector(inner, ttl=0.1)
    await cache.introspect("known")
    inner.failing = True
    await asyncio.sleep(0.15)
    with pytest.raises(DependencyUnavailable):
        await cache.introspect("known")


async def test_a_refusal_of_a_renewal_is_not_remembered() -> None:
    inner = Inner()
    cache = CachingIntrospector(inner, ttl=0.4)
    assert await cache.introspect("known")
    inner.unknown.add("known")
    await until(lambda: len(inner.asked) == 2)
    await asyncio.sleep(0)
    inner.unknown.clear()
    assert await cache.introspect("known")
    assert len(inner.asked) == 3


async def test_few_tokens_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "_RENEWED_TOKENS", 2)
    inner = Inner()
    cache = CachingIntrospector(inner, ttl=0.1)
    for token in "abc":
        await cache.introspect(token)
    await until(lambda: len(inner.asked) == 5)
    assert sorted(inner.asked) == ["a", "a", "b", "b", "c"]


async def test_after_closing_nobody_is_asked() -> None:
    inner = Inner()
    cache = CachingIntrospector(inner, ttl=0.1)
    await cache.introspect("known")
    cache.close()
    await asyncio.sleep(0.2)
    assert inner.asked == ["known"]
