"""The shared parts against real Postgres and S3."""

import asyncio
import time
from contextlib import suppress

import httpx
import pytest
from pydantic import SecretStr

from skillbox_common import object_store
from skillbox_common.caller import set_caller_endpoint
from skillbox_common.config import ObjectStoreSettings
from skillbox_common.migrate import migrate
from skillbox_common.object_store import ObjectNotFound
from tests.support import parts


def settings(s3: parts.S3, public: str = "") -> ObjectStoreSettings:
    return ObjectStoreSettings(
        s3_endpoint=s3.endpoint,
        s3_public_endpoint=public,
        s3_access_key=SecretStr(s3.access_key),
        s3_secret_key=SecretStr(s3.secret_key),
    )


async def test_an_object_comes_back_as_it_was_put(s3: parts.S3) -> None:
    async with object_store.connect(settings(s3), "one") as store:
        await store.ensure_bucket()
        await store.ensure_bucket()
        await store.put("a/b", b"x" * 700_000, "application/zip")
        assert await store.get("a/b") == b"x" * 700_000
        await store.delete("a/b")
        with pytest.raises(ObjectNotFound):
            await store.get("a/b")


async def test_a_missing_bucket_is_named(s3: parts.S3) -> None:
    async with object_store.connect(settings(s3), "nowhere") as store:
        with pytest.raises(ObjectNotFound):
            await store.check()


@pytest.mark.parametrize(
    ("public", "caller", "signed_for"),
    [
        ("", "", "internal"),
        ("files.example", "", "http://files.example"),
        ("https://files.example/", "box:1", "https://files.example"),
        ("caller", "", "internal"),
        ("caller", "box:1", "http://box:1"),
    ],
)
async def test_downloads_are_signed_for_the_address_that_is_known(
    s3: parts.S3, public: str, caller: str, signed_for: str
) -> None:
    set_caller_endpoint(caller, "http")
    async with object_store.connect(settings(s3, public), "one") as store:
        url = store.presigned_url("a b/c", 60)
    base = f"http://{s3.endpoint}" if signed_for == "internal" else signed_for
    assert url.startswith(f"{base}/one/a%20b/c?X-Amz-Algorithm=")
    set_caller_endpoint(None, None)


async def test_a_signed_download_needs_nothing_else_and_opens_one_object(s3: parts.S3) -> None:
    async with object_store.connect(settings(s3), "one") as store, httpx.AsyncClient() as client:
        await store.ensure_bucket()
        await store.put("x", b"yes", "text/plain")
        await store.put("y", b"no", "text/plain")
        url = store.presigned_url("x", 60)
        assert (await client.get(url)).content == b"yes"
        assert (await client.get(url.replace("/one/x", "/one/y"))).status_code == 403
        assert (await client.get(url.replace("/one/x", "/one/"))).status_code == 403


async def test_a_migration_that_is_cut_off_says_nothing(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever cuts it off has something to say, and it would stand before that."""
    await migrate("skillbox_auth", dsn, "auth")
    started = time.perf_counter()
    await migrate("skillbox_auth", dsn, "auth")
    lasted = time.perf_counter() - started
    moments = 150
    for moment in range(moments):
        cut_off = asyncio.create_task(migrate("skillbox_auth", dsn, "auth"))
        await asyncio.sleep(lasted * moment / moments)
        cut_off.cancel()
        with suppress(asyncio.CancelledError):
            await cut_off
    assert caplog.messages == []
