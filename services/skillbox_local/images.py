"""`skillbox images build`: sandbox images where no registry can be reached."""

import asyncio
from collections.abc import Callable, Sequence

from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.interface import Language, SandboxError
from skillbox_local.errors import LocalError
from skillbox_local.sandbox import docker_host


def build_images(names: Sequence[str], only_missing: bool, tell: Callable[[str], None]) -> None:
    """Builds the images of these languages, or of all.

    Args:
        only_missing: Leaves out those that the engine has.

    Raises:
        LocalError: A language is unknown, or an image cannot be built.
    """
    asyncio.run(_build([_language(name) for name in names] or list(Language), only_missing, tell))


async def _build(
    languages: Sequence[Language], only_missing: bool, tell: Callable[[str], None]
) -> None:
    host = docker_host()
    try:
        missing = await images.missing(host, [images.name(language) for language in languages])
        for language in languages:
            name = images.name(language)
            if only_missing and name not in missing:
                continue
            tell(f"building {name} …")
            await images.build(language, host)
    except SandboxError as error:
        raise LocalError(str(error)) from error


def _language(name: str) -> Language:
    try:
        return Language(name)
    except ValueError:
        known = ", ".join(language.value for language in Language)
        raise LocalError(f"language: {name!r} is not valid: expected one of {known}") from None
