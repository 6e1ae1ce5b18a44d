"""The images that boxes are made of: which the engine has, and building our own.

Our own are for machines that reach no registry: Debian packages, through mmdebstrap and the
engine's import. They hold an interpreter and what Debian cannot do without, nothing of ours.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from skillbox_executor.sandbox.docker_engine import connect, engine_errors
from skillbox_executor.sandbox.interface import ImageMissing, Language, SandboxError

_SUITE = "trixie"
_PACKAGES = {
    Language.PYTHON: ("python3", "tzdata"),
    Language.NODE: ("nodejs",),
    Language.BASH: ("bash", "jq"),
}
_DPKG_OPTIONS = (
    "force-unsafe-io",  # a half-written image is thrown away anyway
    *(f"path-exclude=/usr/share/{each}/*" for each in ("doc", "info", "lintian", "locale", "man")),
    "path-include=/usr/share/doc/*/copyright",
)
_CHANGES = (
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
)
_NOT_FOUND = 404
_LINES_SHOWN = 5


class ImageBuildFailed(SandboxError):
    """An image could not be built; the text says why and what to do."""


def name(language: Language) -> str:
    """Returns the name of the image that `build` makes."""
    return f"skillbox/{language.value}"


async def missing(docker_host: str, images: Iterable[str]) -> list[str]:
    """Returns those of `images` that the engine does not have.

    Raises:
        EngineUnavailable: It does not answer.
    """
    async with connect(docker_host) as docker:
        return [image for image in images if await _id(docker, image) is None]


async def require_image(docker: Docker, image: str) -> str:
    """Returns the id of `image`.

    Raises:
        ImageMissing: It has not; the text says how to get it.
        EngineUnavailable: It does not answer.
    """
    found = await _id(docker, image)
    if found is None:
        ours = image.removesuffix(":latest") in map(name, Language)
        get = "skillbox images build" if ours else f"docker pull {image}"
        raise ImageMissing(f"image {image!r} is not on the Docker engine; get it with: {get}")
    return found


async def build(language: Language, docker_host: str) -> None:
    """Builds the image of `language` and tags it `latest`. Takes about 20 seconds.

    Raises:
        ImageBuildFailed: See there.
        EngineUnavailable: The engine does not answer, or does not take the image.
    """
    program = shutil.which("mmdebstrap")
    if program is None:
        raise ImageBuildFailed("mmdebstrap is not installed: apt-get install mmdebstrap")
    async with connect(docker_host) as docker:
        with engine_errors("tell its version"):  # sooner than after the long part
            await docker.version()
        with tempfile.TemporaryDirectory(prefix="skillbox-image-") as folder:
            tar = Path(folder, "image.tar")
            await _bootstrap(program, language, tar)
            await _import(docker, name(language), tar)


async def _id(docker: Docker, image: str) -> str | None:
    with engine_errors("look for the image"):
        try:
            return str((await docker.images.inspect(image))["Id"])
        except DockerError as error:
            if error.status != _NOT_FOUND:
                raise
            return None


async def _bootstrap(program: str, language: Language, tar: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        program,
        "--variant=essential",
        f"--include={','.join(_PACKAGES[language])}",
        *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
        _SUITE,
        str(tar),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode != 0:
        end = "\n".join(said.decode(errors="replace").splitlines()[-_LINES_SHOWN:])
        hint = "" if os.geteuid() == 0 else "\nit may need root: sudo skillbox images build"
        raise ImageBuildFailed(f"mmdebstrap could not build {name(language)}:\n{end}{hint}")


async def _import(docker: Docker, image: str, tar: Path) -> None:
    params = [("fromSrc", "-"), ("repo", image), ("tag", "latest")]
    params += [("changes", change) for change in _CHANGES]
    with engine_errors("import the image"):
        with await asyncio.to_thread(tar.open, "rb") as file:
            # aiodocker has no call for this one.
            reply = await docker.session.post(
                f"{docker.docker_host}/images/create",
                params=params,
                data=file,
                headers={"Content-Type": "application/x-tar"},
                timeout=aiohttp.ClientTimeout(total=300),
            )
            text = await reply.text()
        # The engine may notice a fault after it has said 200: then the last line tells.
        last = json.loads(text.strip().splitlines()[-1])
        if problem := last.get("message") or last.get("error"):
            raise DockerError(reply.status, str(problem))
