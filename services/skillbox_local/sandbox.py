"""Chooses what makes the boxes on this machine, and says why."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from skillbox_executor.config import DOCUMENTED_IMAGES, ExecutorSettings
from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.interface import Driver, Language, SandboxError
from skillbox_local.errors import LocalError
from skillbox_local.options import SandboxChoice
from skillbox_local.programs import DOCKER_HOST
from skillbox_local.socket_proxy import obstacle

_BUILD = "run `skillbox images build`"
_ALLOW_MISSING = "SKILLBOX_ALLOW_MISSING_CONTROLS"
# On one's own machine; an ordinary user may make no control groups.
_MAY_MISS = ("memory", "pids", "cpus")


@dataclass(frozen=True)
class Sandbox:
    """A driver that works here.

    Attributes:
        note: Why this one, as one sentence.
        warning: What the user should know about the choice; empty for nothing.
        docker_host: Empty unless the driver is `docker`.
        guarded: Whether a socket proxy stands between each Executor and the engine.
        images: The image of each language that has one.
    """

    driver: str
    note: str
    warning: str = ""
    docker_host: str = ""
    guarded: bool = False
    images: Mapping[Language, str] = field(default_factory=dict)

    def env(self, proxy: str, builder: str = "") -> dict[str, str]:
        """Returns settings of an Executor.

        Args:
            proxy: host:port of its socket proxy, should there be one.
            builder: The same for boxes with a network, which there are only when the user wants.
        """
        installs = self.guarded and os.environ.get("SKILLBOX_DEPENDENCIES") == "on"
        allowed = [*DOCUMENTED_IMAGES, *(images.name(language) for language in Language)]
        chosen = {
            "SKILLBOX_IMAGE_ALLOWLIST": ",".join(allowed),
            **({_ALLOW_MISSING: ",".join(_MAY_MISS)} if self.driver == "bubblewrap" else {}),
            **{
                f"SKILLBOX_DEFAULT_IMAGE_{language.name}": image
                for language, image in self.images.items()
            },
        }
        return {
            "SKILLBOX_SANDBOX": self.driver,
            DOCKER_HOST: f"tcp://{proxy}" if self.guarded else self.docker_host,
            "SKILLBOX_BUILDER_DOCKER_HOST": f"tcp://{builder}" if installs else "",
            # What the user has set stays.
            **{name: os.environ.get(name) or value for name, value in chosen.items()},
        }

    async def remove_boxes(self, owner: str) -> None:
        """Removes what an Executor that was killed has left."""
        driver = _driver(self.driver, self.docker_host, owner)
        try:
            await driver.reap()
        finally:
            await driver.close()


async def choose(choice: SandboxChoice) -> Sandbox:
    """Returns the driver that was asked for, or for `auto` the better one that works.

    Raises:
        LocalError: It does not work; the text says what to do.
    """
    if choice is SandboxChoice.BUBBLEWRAP:
        return await _bubblewrap("asked for")
    try:
        return await _docker()
    except LocalError as error:
        if choice is SandboxChoice.DOCKER:
            raise
        reason = str(error)
        engine = isinstance(error, _NoImages)
    try:
        found = await _bubblewrap(reason)
    except LocalError as error:
        raise LocalError(f"no sandbox works here:\n  docker: {reason}\n  {error}") from error
    warning = f"{reason}. Until then sandboxes are made with bubblewrap." if engine else ""
    return replace(found, warning=warning)


class _NoImages(LocalError):
    """There is an engine, but it has nothing to make boxes from."""


def docker_host() -> str:
    """Returns where the engine is: the first variable that is set, else its usual socket."""
    return (
        os.environ.get(DOCKER_HOST)
        or os.environ.get("DOCKER_HOST")
        or "unix:///var/run/docker.sock"
    )


async def _docker() -> Sandbox:
    host = docker_host()
    try:
        await _check("docker", host)
    except SandboxError as error:
        raise LocalError(f"no Docker Engine at {host} ({error})") from error
    available = await _images(host)
    without = [language.value for language in Language if language not in available]
    if not available:
        raise _NoImages(f"the Docker Engine at {host} has no sandbox images: {_BUILD}")
    no_images = f"no image for {', '.join(without)}: {_BUILD}" if without else ""
    no_proxy = obstacle(host)
    return Sandbox(
        driver="docker",
        note="a Docker Engine answers and has sandbox images",
        warning="; ".join(filter(None, (no_images, no_proxy))),
        docker_host=host,
        guarded=not no_proxy,
        images=available,
    )


async def _bubblewrap(reason: str) -> Sandbox:
    try:
        await _check("bubblewrap", "")
    except SandboxError as error:
        raise LocalError(f"bubblewrap: {error}") from error
    return Sandbox(driver="bubblewrap", note=reason)


async def _images(host: str) -> dict[Language, str]:
    """Returns the documented image of each language, or else the one built here."""
    candidates = {language: (_documented(language), images.name(language)) for language in Language}
    missing = await images.missing(host, [name for pair in candidates.values() for name in pair])
    found = {}
    for language, names in candidates.items():
        present = [name for name in names if name not in missing]
        if present:
            found[language] = present[0]
    return found


def _documented(language: Language) -> str:
    default: str = ExecutorSettings.model_fields[f"default_image_{language.value}"].default
    return default


def _driver(name: str, host: str, owner: str) -> Driver:
    if name == "docker":
        return DockerDriver(host, owner)
    return BubblewrapDriver(owner, allow_missing=_MAY_MISS)


async def _check(name: str, host: str) -> None:
    driver = _driver(name, host, "probe")
    try:
        await driver.check()
    finally:
        await driver.close()
