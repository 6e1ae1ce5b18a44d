"""The shared parts against real Postgres and S3."""

import pytest
from pydantic import SecretStr

from skillbox_common import object_store
from skillbox_common.config import ObjectStoreSettings
from skillbox_common.object_store import ObjectNotFound
from tests.support import parts


def settings(s3: parts.S3) -> ObjectStoreSettings:
    return ObjectStoreSettings(
        s3_endpoint=s3.endpoint,
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
