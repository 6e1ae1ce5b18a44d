"""What an upload is told without any installation."""

from typing import cast

import pytest
from pydantic import SecretStr

from skillbox_common.errors import DependencyUnavailable, InvalidArgument
from skillbox_executor.bundles import Bundle, Bundles, BundleUnavailable
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies.dependencies import Dependencies
from skillbox_executor.dependencies.prepare import Prepared, PrepareDependencies
from skillbox_executor.sandbox.interface import EngineAway

SETTINGS = ExecutorSettings(
    db_dsn=SecretStr("x"),
    s3_endpoint="x",
    s3_access_key=SecretStr("x"),
    s3_secret_key=SecretStr("x"),
    default_image_python="python:3.12-slim",
)


class NoArchive:
    async def get(self, key: str, root: str) -> Bundle:
        raise BundleUnavailable("its archive is missing in the object store")


class AnyArchive:
    async def get(self, key: str, root: str) -> Bundle:
        return Bundle(b"", frozenset())


class NoEngine:
    async def digest(self, *_: object, again: bool) -> str:
        raise EngineAway("the Docker engine does not answer")


def prepare(**changed: object) -> PrepareDependencies:
    settings = SETTINGS.model_copy(update=changed)
    nothing = cast("Dependencies", None)  # asked for in none of these cases
    return PrepareDependencies(settings, cast("Bundles", NoArchive()), nothing)


@pytest.mark.parametrize("lang", ["bash", "", "ruby"])
async def test_other_languages_have_no_packages(lang: str) -> None:
    with pytest.raises(InvalidArgument, match=r"lang: .* is not valid: expected python or node"):
        await prepare()("archives/x", "", lang, "")


async def test_a_server_that_installs_nothing_says_so() -> None:
    assert await prepare(dependencies="off")("archives/x", "", "python", "") == Prepared("none")


async def test_an_image_that_is_not_allowed_is_not_used() -> None:
    prepared = await prepare()("archives/x", "", "python", "other:1")
    assert prepared == Prepared("failed", 'image "other:1" is not in the allowlist')


async def test_an_archive_that_is_gone_is_a_failure() -> None:
    prepared = await prepare()("archives/x", "", "python", "")
    assert prepared == Prepared("failed", "its archive is missing in the object store")


async def test_an_engine_that_is_away_may_be_back_soon() -> None:
    archives, dependencies = cast("Bundles", AnyArchive()), cast("Dependencies", NoEngine())
    prepare = PrepareDependencies(SETTINGS, archives, dependencies)
    with pytest.raises(DependencyUnavailable, match="the Docker engine does not answer"):
        await prepare("archives/x", "", "python", "")
