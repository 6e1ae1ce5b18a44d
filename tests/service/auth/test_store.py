"""What every store of API keys keeps to. One subclass for each implementation."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skillbox_auth.api_key import ApiKey, IssuedKey, digest, issue
from skillbox_auth.config import Settings
from skillbox_auth.main import SCHEMA
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_auth.store.postgres import PostgresApiKeyStore
from skillbox_common import db
from skillbox_common.errors import DependencyUnavailable
from skillbox_common.migrate import migrate
from tests.support import parts

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def new(tenant_id: str = "one", **fields: Any) -> IssuedKey:
    """Returns a new key of which some fields are as given."""
    issued = issue(tenant_id=tenant_id, name="n", scopes=["skills:read", "admin"])
    return IssuedKey(replace(issued.key, **fields), issued.secret)


async def insert(store: ApiKeyStore, issued: IssuedKey) -> ApiKey:
    assert await store.insert(issued.key, digest(issued.secret))
    return issued.key


class ApiKeyStoreContract:
    """Needs the fixture `store`, an empty store."""

    async def test_a_key_is_found_as_it_was_inserted(self, store: ApiKeyStore) -> None:
        issued = new(name="ключ 🔑", expires_at=NOW, created_at=NOW)
        await insert(store, issued)
        assert await store.get("one", issued.key.id) == issued.key
        assert await store.find(digest(issued.secret)) == issued.key

    async def test_what_is_not_there_is_not_found(self, store: ApiKeyStore) -> None:
        issued = new()
        await insert(store, issued)
        assert await store.get("one", uuid.uuid4()) is None
        assert await store.get("two", issued.key.id) is None
        assert await store.find(digest("other")) is None

    async def test_a_digest_is_taken_once(self, store: ApiKeyStore) -> None:
        issued = new()
        await insert(store, issued)
        second = replace(new("two").key, name="second")
        assert not await store.insert(second, digest(issued.secret))
        assert await store.find(digest(issued.secret)) == issued.key
        assert await store.get("two", second.id) is None

    async def test_newest_pages_through_one_tenant(self, store: ApiKeyStore) -> None:
        # Two were created at the same moment: the id decides.
        moments = [NOW, NOW + MINUTE, NOW + MINUTE, NOW + 2 * MINUTE]
        keys = [await insert(store, new(created_at=moment)) for moment in moments]
        await insert(store, new("two"))
        expected = sorted(keys, key=lambda key: (key.created_at, key.id), reverse=True)
        assert await store.newest("one", 10, None) == expected
        assert await store.newest("one", 2, None) == expected[:2]
        assert await store.newest("one", 2, expected[1]) == expected[2:]
        assert await store.newest("one", 2, expected[3]) == []

    async def test_the_first_revocation_stands(self, store: ApiKeyStore) -> None:
        key = await insert(store, new())
        revoked = replace(key, revoked_at=NOW)
        assert await store.revoke(key, NOW) == revoked
        assert await store.revoke(key, NOW + MINUTE) == revoked
        assert await store.get("one", key.id) == revoked

    @pytest.mark.parametrize(
        ("expires_at", "until", "ends"),
        [
            (None, NOW + MINUTE, NOW + MINUTE),
            (NOW + 2 * MINUTE, NOW + MINUTE, NOW + MINUTE),
            (NOW + MINUTE, NOW + 2 * MINUTE, NOW + MINUTE),
        ],
    )
    async def test_a_replaced_key_ends_early(
        self, store: ApiKeyStore, expires_at: datetime | None, until: datetime, ends: datetime
    ) -> None:
        old, issued = await insert(store, new(expires_at=expires_at)), new()
        assert await store.replace(old, issued.key, digest(issued.secret), NOW, until)
        assert await store.get("one", old.id) == replace(
            old, expires_at=ends, replaced_by=issued.key.id
        )
        assert await store.find(digest(issued.secret)) == issued.key

    @pytest.mark.parametrize(
        "state",
        [{"revoked_at": NOW - MINUTE}, {"expires_at": NOW}],
        ids=lambda state: next(iter(state)),
    )
    async def test_a_key_that_does_not_work_is_not_replaced(
        self, store: ApiKeyStore, state: dict[str, Any]
    ) -> None:
        old, issued = await insert(store, new(**state)), new()
        assert not await store.replace(old, issued.key, digest(issued.secret), NOW, NOW)
        assert await store.get("one", old.id) == old
        assert await store.find(digest(issued.secret)) is None

    async def test_a_key_is_replaced_once(self, store: ApiKeyStore) -> None:
        old = await insert(store, new())
        successors = [new() for _ in range(4)]
        won = await asyncio.gather(
            *(
                store.replace(old, issued.key, digest(issued.secret), NOW, NOW + MINUTE)
                for issued in successors
            )
        )
        assert sorted(won) == [False, False, False, True]
        assert len(await store.newest("one", 10, None)) == 2

    async def test_a_touch_within_a_minute_is_left_out(self, store: ApiKeyStore) -> None:
        key, other = await insert(store, new()), await insert(store, new())
        for seconds, expected in ((0, 0), (59, 0), (60, 60), (30, 60)):
            await store.touch({key.id: NOW + timedelta(seconds=seconds)})
            seen = await store.get("one", key.id)
            assert seen is not None
            assert seen.last_used_at == NOW + timedelta(seconds=expected)
        assert await store.get("one", other.id) == other


@pytest.fixture(scope="module")
async def pool(postgres_server: str) -> AsyncIterator[db.Pool]:
    async with parts.database(postgres_server) as dsn:
        await migrate("skillbox_auth", dsn, SCHEMA)
        async with db.connect(Settings(db_dsn=dsn), SCHEMA) as pool:
            yield pool


class TestPostgresApiKeyStore(ApiKeyStoreContract):
    @pytest.fixture
    async def store(self, pool: db.Pool) -> ApiKeyStore:
        await pool.execute("TRUNCATE api_keys")
        return PostgresApiKeyStore(pool)

    async def test_a_lost_database_is_unavailable(self) -> None:
        dsn = f"postgresql://nobody@127.0.0.1:{parts.free_port()}/none"
        async with db.connect(Settings(db_dsn=dsn), SCHEMA) as pool:
            with pytest.raises(DependencyUnavailable):
                await PostgresApiKeyStore(pool).find(digest("x"))
