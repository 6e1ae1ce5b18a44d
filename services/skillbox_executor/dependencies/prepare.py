"""Installs the packages of an archive that was just stored, before anybody runs it."""

from dataclasses import dataclass

from skillbox_common.errors import DependencyUnavailable, InvalidArgument
from skillbox_common.telemetry import tracing
from skillbox_executor.bundles import Bundles, BundleUnavailable
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies.dependencies import Dependencies
from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.sandbox.interface import EngineAway, Language, Limits, Profile, SandboxError


@dataclass(frozen=True)
class Prepared:
    """How it went.

    Attributes:
        status: `none`, `ready` or `failed`.
    """

    status: str
    error: str = ""


class PrepareDependencies:
    """The use case behind an upload."""

    def __init__(
        self, settings: ExecutorSettings, bundles: Bundles, dependencies: Dependencies
    ) -> None:
        self._settings = settings
        self._bundles = bundles
        self._dependencies = dependencies

    async def __call__(self, archive_key: str, root: str, lang: str, image: str) -> Prepared:
        """Waits until the packages are there or have failed.

        Raises:
            InvalidArgument: The language has no packages.
            DependencyUnavailable: The database, the object store or the engine does not answer.
        """
        if lang not in (Language.PYTHON, Language.NODE):
            raise InvalidArgument.of("lang", lang, "python or node")
        if self._settings.dependencies == "off":
            return Prepared("none")
        language = Language(lang)
        image = image or self._settings.default_image(language)
        if image not in self._settings.image_allowlist:
            return Prepared("failed", f'image "{image}" is not in the allowlist')
        # Of the limits of its runs nothing is known here, and nothing depends on them.
        profile = Profile(image, language, Limits(0, 0), self._settings.oci_runtime)
        try:
            with tracing.span("dependencies.prepare"):
                bundle = await self._bundles.get(archive_key, root)
                digest = await self._dependencies.digest(bundle, archive_key, profile, again=True)
        except EngineAway as error:
            raise DependencyUnavailable(str(error)) from error
        except (BundleUnavailable, DependencyError, SandboxError) as error:
            return Prepared("failed", str(error))
        return Prepared("ready" if digest else "none")
