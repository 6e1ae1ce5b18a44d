"""Building sandbox images. The long part is real where an image was missing; see conftest."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from aiodocker import Docker
from typer.testing import CliRunner

from skillbox.cli.app import app
from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.images import ImageBuildFailed
from skillbox_executor.sandbox.interface import EngineUnavailable, ImageMissing, Language

pytestmark = pytest.mark.docker


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of mmdebstrap, and gives what comes out another name."""
    program = tmp_path / "mmdebstrap"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(images, "name", lambda language: f"skillbox-test/{tmp_path.name}")

    def write(script: str) -> None:
        program.write_text(f"#!/bin/sh\nfor tar; do :; done\n{script}\n")
        program.chmod(0o755)

    return write


async def test_missing_names_what_the_engine_does_not_have(
    docker_host: str, sandbox_images: Mapping[Language, str]
) -> None:
    names = [*sandbox_images.values(), "no-such-image", "no-such/image:1"]
    assert await images.missing(docker_host, names) == ["no-such-image", "no-such/image:1"]


@pytest.mark.parametrize("suffix", ["", ":latest"])
async def test_our_own_images_can_be_built(
    docker: Docker, suffix: str, bootstrap: Callable[[str], None]
) -> None:
    with pytest.raises(ImageMissing, match=r"get it with: skillbox images build$"):
        await images.require_image(docker, images.name(Language.NODE) + suffix)


async def test_what_was_bootstrapped_becomes_the_image(
    docker_host: str, docker: Docker, bootstrap: Callable[[str], None]
) -> None:
    bootstrap('tar -cf "$tar" -C / etc/hostname')
    await images.build(Language.PYTHON, docker_host)
    name = images.name(Language.PYTHON)
    try:
        made = await docker.images.inspect(f"{name}:latest")
    finally:
        await docker.images.delete(name)
    assert "LANG=C.UTF-8" in made["Config"]["Env"]
    assert any(each.startswith("PATH=") for each in made["Config"]["Env"])


async def test_a_bootstrap_that_fails_shows_its_last_lines(
    docker_host: str, bootstrap: Callable[[str], None]
) -> None:
    bootstrap("seq 20 >&2; echo E: no network >&2; exit 1")
    with pytest.raises(
        ImageBuildFailed, match=r"skillbox-test/[^:]*:\n17\n18\n19\n20\nE: no network"
    ):
        await images.build(Language.PYTHON, docker_host)
    assert await images.missing(docker_host, [images.name(Language.PYTHON)])


async def test_what_the_engine_does_not_take_is_told(
    docker_host: str, bootstrap: Callable[[str], None]
) -> None:
    bootstrap('seq 1000 >"$tar"')
    with pytest.raises(EngineUnavailable, match=r"could not import the image: .*tar"):
        await images.build(Language.PYTHON, docker_host)
    assert await images.missing(docker_host, [images.name(Language.PYTHON)])


async def test_without_mmdebstrap_it_says_how_to_get_it(
    docker_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ImageBuildFailed, match="apt-get install mmdebstrap"):
        await images.build(Language.PYTHON, docker_host)


async def test_without_an_engine_nothing_is_bootstrapped(
    bootstrap: Callable[[str], None], tmp_path: Path
) -> None:
    bootstrap(f"touch {tmp_path}/ran")
    with pytest.raises(EngineUnavailable, match="does not answer"):
        await images.build(Language.PYTHON, "unix:///no/such/socket")
    assert [path.name for path in tmp_path.iterdir()] == ["mmdebstrap"]  # noqa: ASYNC240 (a test)


@pytest.mark.parametrize("missing", [True, False])
async def test_the_command_says_what_there_is_now(
    docker_host: str,
    docker: Docker,
    sandbox_images: Mapping[Language, str],
    bootstrap: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    missing: bool,
) -> None:
    monkeypatch.setenv("SKILLBOX_DOCKER_HOST", docker_host)
    if missing:
        monkeypatch.setattr(images, "name", lambda language: sandbox_images[language])
    bootstrap('tar -cf "$tar" -C / etc/hostname')
    options = ["--missing"] if missing else []
    command = ["images", "build", "python", *options, "-o", "json"]
    # In a thread, because a command has a loop of its own.
    done = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert done.exit_code == 0, done.stderr
    name = images.name(Language.PYTHON)
    if not missing:
        await docker.images.delete(name)
    expected = {"language": "python", "image": name, "built": not missing}
    assert json.loads(done.stdout) == [expected]
    assert done.stderr == ("" if missing else f"building {name} …\n")
