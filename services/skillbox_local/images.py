"""`skillbox images build`: sandbox images where no registry can be reached."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.interface import Language, SandboxError
from skillbox_local.errors import LocalError
from skillbox_local.sandbox import docker_host


@dataclass(frozen=True)
class Image:
    """An image that the engine has now.

    Attributes:
        built: Whether it was built just now.
    """

    language: str
    image: str
    built: bool


def build_images(
    names: Sequence[str], only_missing: bool, tell: Callable[[str], None]
) -> list[Image]:
    """Builds the images of these languages, or of all.

    Args:
        only_missing: Leaves out those that the engine has.

    Raises:
        LocalError: A language is unknown, or an image cannot be built.
    """
    return asyncio.run(
        _build([_language(name) for name in names] or list(Language), only_missing, tell)
    )


async def _build(
    languages: Sequence[Language], only_missing: bool, tell: Callable[[str], None]
) -> list[Image]:
    host = docker_host()
    done = []
    try:
        missing = await images.missing(host, [images.name(language) for language in languages])
        for language in languages:
            name = images.name(language)
            wanted = not only_missing or name in missing
            if wanted:
                tell(f"building {name} …")
                await images.build(language, host)
            done.append(Image(language.value, name, built=wanted))
    except SandboxError as error:
        raise LocalError(str(error)) from error
    return done


def _language(name: str) -> Language:
    try:
        return Language(name)
    except ValueError:
        known = ", ".join(language.value for language in Language)
        raise LocalError(f"language: {name!r} is not valid: expected one of {known}") from None
