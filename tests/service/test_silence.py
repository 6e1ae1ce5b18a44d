"""Postgres and S3 behind a network that forgets connections. About five seconds."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from skillbox_common import db, object_store
from skillbox_common.config import ObjectStoreSettings, ServiceSettings
from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.notifications import EVENT_CHANNEL, Notifications
from tests.support import parts
from tests.support.relay import Relay, relay


@pytest.fixture
def postgres(postgres_server: str, tmp_path: Path) -> Iterator[Relay]:
    """A network before Postgres."""
    upstream = tmp_path / "postgres"
    folder = parse_qs(urlsplit(postgres_server).query)["host"][0]
    upstream.write_text(f"{folder}/.s.PGSQL.5432")
    with relay(upstream) as running:
        yield running


@pytest.fixture
def dsn(postgres: Relay) -> str:
    return f"postgresql://postgres@{postgres.address}/postgres"


@pytest.fixture
async def pool(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[db.Pool]:
    monkeypatch.setattr(db, "_ANSWER_S", 2.0)
    async with db.connect(ServiceSettings(listen="", db_dsn=SecretStr(dsn)), "public") as pool:
        yield pool


async def ask(pool: db.Pool) -> int:
    async with db.unavailable_when_lost():
        found: int = await pool.fetchval("SELECT 1 FROM pg_sleep(0.05)")
        return found


async def test_a_forgotten_connection_costs_one_answer_and_no_more(
    postgres: Relay, pool: db.Pool
) -> None:
    assert await asyncio.gather(*(ask(pool) for _ in range(3))) == [1, 1, 1]
    assert pool.get_size() == 3
    postgres.cut()
    await asyncio.sleep(0.1)
    postgres.heal()
    began = time.monotonic()
    with pytest.raises(DependencyUnavailable):
        await ask(pool)
    # Neither does it wait for the end of that statement, nor try the other two connections.
    assert await asyncio.gather(*(ask(pool) for _ in range(3))) == [1, 1, 1]
    assert time.monotonic() - began < 3.5


async def test_a_transaction_ends_with_its_connection(postgres: Relay, pool: db.Pool) -> None:
    began = 0.0
    with pytest.raises(DependencyUnavailable):
        async with (
            db.unavailable_when_lost(),
            pool.acquire() as connection,
            connection.transaction(),
        ):
            postgres.cut()
            await asyncio.sleep(0.1)
            postgres.heal()
            began = time.monotonic()
            await connection.execute("SELECT 1")
    assert time.monotonic() - began < 3.5
    assert await ask(pool) == 1


async def test_notifications_are_heard_again(
    postgres: Relay, dsn: str, pool: db.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skillbox_executor.notifications._CHECK_S", 0.3)
    heard = asyncio.Event()
    notifications = Notifications(dsn)
    notifications.on(EVENT_CHANNEL, lambda _: heard.set())

    async def until_heard() -> None:
        async with asyncio.timeout(20):
            while not heard.is_set():
                await pool.execute(f"NOTIFY {EVENT_CHANNEL}, 'x'")
                await asyncio.sleep(0.05)

    async with notifications.listening():
        await until_heard()
        postgres.cut()
        await asyncio.sleep(0.1)
        postgres.heal()
        heard.clear()
        with pytest.raises(TimeoutError):
            await pool.execute("SELECT 1")
        await until_heard()


async def test_a_store_that_takes_nothing_is_given_up(
    s3: parts.S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_PUT_S", 0.5)
    monkeypatch.setattr(object_store, "_LEAST_BYTES_PER_S", 64 * 1024 * 1024)
    upstream = tmp_path / "s3"
    upstream.write_text(s3.endpoint)
    large = 8 * 1024 * 1024
    with relay(upstream) as network:
        settings = ObjectStoreSettings(
            s3_endpoint=network.address,
            s3_access_key=SecretStr(s3.access_key),
            s3_secret_key=SecretStr(s3.secret_key),
        )
        async with object_store.connect(settings, "silent") as store:
            await store.ensure_bucket()
            network.cut()
            began = time.monotonic()
            with pytest.raises(DependencyUnavailable):
                await store.put("large", io.BytesIO(bytes(large)), "application/zip")
            assert time.monotonic() - began < 2
            monkeypatch.undo()  # so little was for the store that takes nothing
            network.heal()
            await store.put("large", bytes(large), "application/zip")
            assert len(await store.get("large")) == large
