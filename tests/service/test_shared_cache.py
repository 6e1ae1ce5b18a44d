"""The cache in a real Redis: what it gives, and that it never does harm."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from skillbox_common import introspection, shared_cache
from skillbox_common.config import CacheSettings
from skillbox_common.introspection import CachingIntrospector
from skillbox_common.principal import Principal
from skillbox_common.shared_cache import TTL_S, Cache
from skillbox_registry.skill import SkillSpec, SkillSummary, StoredSkill
from skillbox_registry.store.cached import CachedSkillStore
from tests.support.parts import free_port
from tests.support.redis import RedisServer, redis_server

SECRET = "a secret of the services, long enough"
TOKEN = "sk-canary-token"
PATIENCE_S, SHORT_S = 20.0, shared_cache._TIMEOUT_S


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def settings(redis: RedisServer, secret: str = SECRET) -> CacheSettings:
    return CacheSettings(redis_url=SecretStr(redis.url), cache_secret=SecretStr(secret))


@pytest.fixture
async def caches(redis: RedisServer) -> AsyncIterator[list[Cache]]:
    """The caches of three replicas; the last one has another secret."""
    async with AsyncExitStack() as stack:
        opened = []
        for secret in (SECRET, SECRET, "another secret of other services"):
            cache = await stack.enter_async_context(shared_cache.connect(settings(redis, secret)))
            assert cache is not None
            opened.append(cache)
        yield opened


class Auth:
    """Knows one token until it is revoked."""

    def __init__(self) -> None:
        self.asked = 0
        self.revoked = False
        self.expires_at: datetime | None = None

    async def introspect(self, token: str) -> Principal | None:
        self.asked += 1
        if token != TOKEN or self.revoked:
            return None
        scopes = frozenset({"skills:read"})
        return Principal("key-1", "tenant-1", scopes, token, self.expires_at)


@pytest.fixture(autouse=True)
def _undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps answers from being asked for again, or given up, behind a test's back."""
    monkeypatch.setattr(introspection, "_RENEWED_TOKENS", 0)
    monkeypatch.setattr(shared_cache, "_TIMEOUT_S", PATIENCE_S)


@contextmanager
def impatient() -> Iterator[None]:
    """Lets the caches wait no longer than they do in a service."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_cache, "_TIMEOUT_S", SHORT_S)
        yield


async def seconds(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def entry(redis: RedisServer, name: bytes | str) -> bytes:
    found = redis.client.get(name)
    assert isinstance(found, bytes)
    return found


async def test_replicas_share_answers(caches: list[Cache]) -> None:
    auth = Auth()
    first, second = (CachingIntrospector(auth, shared=cache) for cache in caches[:2])
    told = await first.introspect(TOKEN)
    assert told is not None
    assert await second.introspect(TOKEN) == told
    assert told.token == TOKEN
    assert auth.asked == 1


async def test_without_a_setting_there_is_no_cache() -> None:
    async with shared_cache.connect(CacheSettings()) as cache:
        assert cache is None


async def test_what_is_in_redis_names_no_token(caches: list[Cache], redis: RedisServer) -> None:
    await CachingIntrospector(Auth(), shared=caches[0]).introspect(TOKEN)
    names = list(redis.client.scan_iter())
    assert len(names) == 1
    digest = hashlib.sha256(TOKEN.encode())
    for text in (*names, entry(redis, names[0])):
        assert TOKEN.encode() not in text
        assert digest.hexdigest().encode() not in text
        assert digest.digest() not in text
    assert 0 < redis.client.pttl(names[0]) <= TTL_S * 1000


async def test_strangers_tokens_are_not_kept(caches: list[Cache], redis: RedisServer) -> None:
    introspector = CachingIntrospector(Auth(), shared=caches[0])
    assert await introspector.introspect("sk-nobody") is None
    assert not list(redis.client.scan_iter())


async def test_a_revoked_key_ends_as_soon_as_without_the_cache(caches: list[Cache]) -> None:
    auth = Auth()
    assert await CachingIntrospector(auth, shared=caches[0]).introspect(TOKEN)
    told_at = time.monotonic()
    auth.revoked = True
    # Another replica learns it from the cache shortly before it ends.
    await asyncio.sleep(TTL_S - 0.6)
    other = CachingIntrospector(auth, shared=caches[1])
    assert await other.introspect(TOKEN)
    assert auth.asked == 1
    await asyncio.sleep(told_at + TTL_S - time.monotonic() + 0.05)
    assert await other.introspect(TOKEN) is None


async def test_an_expired_key_is_no_key(caches: list[Cache]) -> None:
    auth = Auth()
    auth.expires_at = datetime.now(UTC) + timedelta(milliseconds=500)
    assert await CachingIntrospector(auth, shared=caches[0]).introspect(TOKEN)
    await asyncio.sleep(0.55)
    assert await CachingIntrospector(auth, shared=caches[1]).introspect(TOKEN) is None
    assert auth.asked == 1


async def test_what_others_wrote_counts_for_nothing(
    caches: list[Cache], redis: RedisServer
) -> None:
    ours, _, stranger = caches
    await ours.put("principal", "a", b"of a", time.time())
    await ours.put("principal", "b", b"of b", time.time())
    await stranger.put("principal", "c", b"forged", time.time())
    names = {entry(redis, name)[-4:]: name for name in redis.client.scan_iter()}
    sealed = entry(redis, names[b"of a"])
    # One of ours under the name of another, ours with a longer life, and any bytes.
    forgeries = [sealed, sealed[:32] + b"\xff" * 8 + sealed[40:], b"x" * 60, b"x", sealed[:-1]]
    for forged in forgeries:
        redis.client.set(names[b"of b"], forged)
        assert await ours.get("principal", "b") is None
        assert redis.client.get(names[b"of b"]) is None, "it stays no longer than it is seen"
    redis.client.lpush(names[b"of b"], "a list")
    assert await ours.get("principal", "b") is None
    assert await ours.get("principal", "c") is None
    found = await ours.get("principal", "a")
    assert found is not None
    assert found.value == b"of a"
    assert await ours.get("latest", "a") is None, "the kind is part of the key"


async def test_an_old_entry_that_redis_kept_is_over(
    caches: list[Cache], redis: RedisServer
) -> None:
    ours = caches[0]
    await ours.put("principal", "a", b"value", time.time() - 0.5)
    (name,) = redis.client.scan_iter()
    redis.client.persist(name)
    assert await ours.get("principal", "a")
    await asyncio.sleep(TTL_S - 0.4)
    assert await ours.get("principal", "a") is None


async def test_what_took_long_to_find_out_is_not_kept(caches: list[Cache]) -> None:
    await caches[0].put("latest", "a", b"value", time.time() - 1.1)
    await caches[0].put("latest", "b", b"value", time.time() + 60)
    assert await caches[0].get("latest", "a") is None
    assert await caches[0].get("latest", "b") is None


async def test_who_was_late_does_not_bring_back_what_was_dropped(caches: list[Cache]) -> None:
    asked_at = time.time()
    await caches[1].forget("latest", "a")
    await caches[0].put("latest", "a", b"old", asked_at)
    assert await caches[0].get("latest", "a") is None


async def ask_often(auth: Auth, cache: Cache, times: int) -> None:
    for _ in range(times):
        assert await CachingIntrospector(auth, shared=cache).introspect(TOKEN)
        assert await CachingIntrospector(auth, shared=cache).introspect("sk-x") is None


async def test_a_redis_that_hangs_costs_one_short_wait(
    caches: list[Cache], redis: RedisServer
) -> None:
    auth, cache = Auth(), caches[0]
    await ask_often(auth, cache, 1)
    with redis.paused(), impatient():
        # Waiting each time would take 50 ms or more for each of two questions.
        assert await seconds(ask_often(auth, cache, 100)) < 2
        auth.revoked = True
        assert await CachingIntrospector(auth, shared=cache).introspect(TOKEN) is None


async def test_a_redis_that_is_gone_costs_nothing_and_may_come_back(
    caches: list[Cache], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_cache, "_REST_S", 0.2)
    auth, cache = Auth(), caches[0]
    with redis.paused(), impatient():
        await ask_often(auth, cache, 1)
    await asyncio.sleep(0.3)
    asked = auth.asked
    await ask_often(auth, cache, 2)
    await ask_often(auth, caches[1], 1)
    assert auth.asked < asked + 6, "the cache is used again"
    redis.kill()
    assert await seconds(ask_often(auth, cache, 100)) < 2


async def test_a_redis_that_was_restarted_is_used_at_once() -> None:
    port = free_port()
    keys = [str(number) for number in range(6)]
    url = SecretStr(f"redis://127.0.0.1:{port}/0")
    asked = CacheSettings(redis_url=url, cache_secret=SecretStr(SECRET))
    async with shared_cache.connect(asked) as cache:
        assert cache is not None
        with redis_server(port):
            # As many connections as there are questions at once.
            await asyncio.gather(*(cache.get("latest", key) for key in keys))
        with redis_server(port):
            await asyncio.gather(*(cache.put("latest", key, b"value", time.time()) for key in keys))
            assert all(await asyncio.gather(*(cache.get("latest", key) for key in keys)))


class Skills:
    """Keeps versions of one skill in memory; the newest is the latest."""

    def __init__(self) -> None:
        self.versions: list[StoredSkill] = []
        self.asked = 0

    async def find_latest(self, tenant_id: str, name: str) -> StoredSkill | None:
        self.asked += 1
        return self.versions[-1] if self.versions else None

    async def find(self, tenant_id: str, name: str, version: str) -> StoredSkill | None:
        return next((each for each in self.versions if each.spec.version == version), None)

    async def put(
        self, tenant_id: str, spec: SkillSpec, digest: str, size_bytes: int, *, replace: bool
    ) -> StoredSkill:
        now = datetime.now(UTC)
        self.versions.append(StoredSkill(spec, digest, size_bytes, now, now))
        return self.versions[-1]

    async def delete(self, tenant_id: str, name: str, version: str) -> bool:
        self.versions = [each for each in self.versions if each.spec.version != version]
        return True

    async def list(
        self, tenant_id: str, *, name: str, after: tuple[str, str], limit: int | None
    ) -> Sequence[SkillSummary]:
        raise NotImplementedError

    async def list_versions(
        self, tenant_id: str, name: str, *, before: str | None, limit: int
    ) -> Sequence[SkillSummary]:
        raise NotImplementedError


def spec(version: str) -> SkillSpec:
    fields = dict.fromkeys(SkillSpec.__dataclass_fields__, "")
    return SkillSpec(**{**fields, "name": "echo", "version": version})


async def latest(store: CachedSkillStore) -> str | None:
    found = await store.find_latest("tenant", "echo")
    return found.spec.version if found else None


async def test_latest_is_shared_and_follows_each_change(caches: list[Cache]) -> None:
    skills = Skills()
    one, two = (CachedSkillStore(skills, cache) for cache in caches[:2])
    assert await latest(one) is None
    for version in ("1.0.0", "1.1.0"):
        await one.put("tenant", spec(version), "digest", 1, replace=True)
        assert await latest(two) == version
        assert await latest(one) == version
    await two.delete("tenant", "echo", "1.1.0")
    assert await latest(one) == "1.0.0"
    assert await latest(two) == "1.0.0"
    # Nothing is kept for a moment after a change, and then it is.
    await asyncio.sleep(TTL_S + 0.05)
    await latest(one)
    asked = skills.asked
    assert await one.find_latest("tenant", "echo") == await two.find_latest("tenant", "echo")
    assert skills.asked == asked
    assert await two.find_latest("another", "echo")
    assert skills.asked == asked + 1, "tenants share nothing"


async def test_latest_without_redis(caches: list[Cache], redis: RedisServer) -> None:
    skills = Skills()
    store = CachedSkillStore(skills, caches[0])
    redis.kill()
    await store.put("tenant", spec("1.0.0"), "digest", 1, replace=True)
    assert await latest(store) == "1.0.0"
    await store.delete("tenant", "echo", "1.0.0")
    assert await latest(store) is None
