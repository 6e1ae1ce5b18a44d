"""Of an archive that is refused nothing is kept: no row, no object, no file."""

import tempfile
from pathlib import Path

import grpc
import pytest

from skillbox.registry.v1.skill_service_pb2 import ListSkillsRequest
from skillbox_common import db, object_store
from skillbox_common.object_store import ObjectStore
from skillbox_registry.main import SCHEMA
from tests.service.registry.running import BUCKET, Caller, Registry, settings_for
from tests.support import parts
from tests.support.failures import failure
from tests.unit.registry.forms import CONTENT_TYPE, form, part
from tests.unit.registry.test_archive import HOSTILE
from tests.unit.registry.zips import skill_zip

# Too large for the limits of the tests beside the corpus, not for a server's.
_SMALL = {"size", "size together", "many"}


async def _objects(store: ObjectStore) -> set[str]:
    """Returns every key of the bucket, and what was begun and not finished."""
    client, bucket = store._client, store.bucket
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {entry["Key"] async for page in pages for entry in page.get("Contents", [])}


async def test_nothing_is_left_of_any_hostile_archive(
    registry: Registry,
    registry_dsn: str,
    registry_s3: parts.S3,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller: Caller = registry.caller()
    await caller.upload(skill_zip(name="good"))
    # Large enough for what is spooled to go to the disk.
    padding = [b"x" * 1024 * 1024] * 2
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    settings = settings_for(registry_dsn, registry_s3)
    async with (
        object_store.connect(settings, BUCKET) as store,
        db.connect(settings, SCHEMA) as pool,
    ):
        objects, rows = await _objects(store), await pool.fetch("SELECT * FROM skill_versions")
        assert objects
        for name in HOSTILE.keys() - _SMALL:
            content, _ = HOSTILE[name]
            for body in (content, b"".join([*padding, content])):
                refused = await failure(caller.upload(body))
                assert refused.code is grpc.StatusCode.INVALID_ARGUMENT, name
            posted = await caller.post([form(part("file", content))], CONTENT_TYPE)
            assert posted.status == 400, name
        assert await _objects(store) == objects
        assert await pool.fetch("SELECT * FROM skill_versions") == rows
    assert not list(tmp_path.iterdir())  # noqa: ASYNC240 - of one empty folder
    listed = await caller.skills.ListSkills(ListSkillsRequest(), metadata=caller.metadata)
    assert [skill.name for skill in listed.skills] == ["good"]
