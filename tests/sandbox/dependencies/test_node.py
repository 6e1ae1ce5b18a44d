"""Packages of Node skills where there is no npm."""

import json

import pytest

from skillbox_executor.domain import Refused
from skillbox_executor.sandbox.interface import Language
from tests.sandbox.dependencies.conftest import Replica

MANIFEST = json.dumps({"dependencies": {"greeting": "^1.0.0"}}).encode()


@pytest.mark.parametrize(
    "replica", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)
async def test_an_image_without_npm_says_so(replica: Replica) -> None:
    with pytest.raises(Refused, match="this image has no npm"):
        await replica.planned({"package.json": MANIFEST}, Language.NODE)


async def test_modules_that_the_archive_brings_need_nothing(replica: Replica) -> None:
    files = {"package.json": MANIFEST, "node_modules/greeting/index.js": b"exports.answer = 1;"}
    plan = await replica.planned(files, Language.NODE, dependencies="vendored")
    assert plan.profile.dependencies == ""
