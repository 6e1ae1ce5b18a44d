"""Gets a dependency set onto this replica's engine: found, or installed once by one replica."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import IO, Protocol

import structlog
from opentelemetry.trace import Span

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.object_store import ObjectNotFound
from skillbox_common.telemetry import tracing
from skillbox_executor.bundles import Bundle
from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.dependencies.installer import Built
from skillbox_executor.dependencies.shelf import Shelf
from skillbox_executor.dependencies.store import DependencySet
from skillbox_executor.dependencies.wanted import Wanted, read_wanted
from skillbox_executor.domain import Reason
from skillbox_executor.sandbox.interface import Profile

_BUILDS_AT_ONCE = 2
_LOOK_S = 0.25
_log = structlog.get_logger(__name__)


class Installs(Protocol):
    async def build(self, wanted: Wanted, image: str, runtime: str) -> Built:
        """See `Installer.build`."""
        ...


class Sets(Protocol):
    """See `PostgresDependencyStore`."""

    async def use(self, key: str) -> DependencySet | None: ...

    async def save(self, made: DependencySet) -> None: ...

    def alone(self, key: str) -> AbstractAsyncContextManager[bool]: ...

    async def forget(self, key: str, seconds: float) -> bool: ...


class Objects(Protocol):
    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None: ...

    def stream(self, key: str) -> AsyncIterator[bytes]: ...


def object_key(digest: str) -> str:
    """Returns where the tar of a set is kept in the bucket of skills."""
    return f"dependencies/{digest}.tar.gz"


class Provider:
    """Finds sets, builds what nobody has built, and brings them to the engine's host.

    Args:
        retry_s: Seconds until what failed is tried again.
    """

    def __init__(
        self, *, installer: Installs, shelf: Shelf, sets: Sets, objects: Objects, retry_s: float
    ) -> None:
        self._installer = installer
        self._shelf = shelf
        self._sets = sets
        self._objects = objects
        self._retry_s = retry_s
        self._builds = asyncio.Semaphore(_BUILDS_AT_ONCE)

    async def provide(self, key: str, bundle: Bundle, profile: Profile, *, again: bool) -> str:
        """Returns the digest of the set for a skill, which is there then.

        Args:
            key: Of the set; see `set_key`.
            again: Whether to try again what failed, however recently.

        Raises:
            DependencyError: It cannot be installed.
            SandboxError: The engine cannot install or take it.
            DependencyUnavailable: The database or the object store does not answer.
        """
        asked = time.monotonic()

        def usable(found: DependencySet | None) -> bool:
            if found is None or not found.error:
                return found is not None
            # Somebody else may have tried again while this one waited for the lock.
            patience = 0.0 if again else self._retry_s
            return found.age_s < max(patience, time.monotonic() - asked)

        while not usable(found := await self._sets.use(key)):
            async with self._builds, self._sets.alone(key) as alone:
                if alone:
                    if not usable(found := await self._sets.use(key)):
                        found = await self._build(key, bundle, profile)
                    break
            # Without a place meanwhile: who waits for another replica builds nothing.
            await asyncio.sleep(_LOOK_S)
        assert found is not None, "it was found or built"
        if found.error:
            raise DependencyError(found.error)
        await self._bring(found, replace(profile, dependencies=found.digest))
        return found.digest

    async def _build(self, key: str, bundle: Bundle, profile: Profile) -> DependencySet:
        wanted = await asyncio.to_thread(read_wanted, bundle, profile.language)
        assert wanted is not None, "it has a fingerprint"
        began = time.monotonic()
        attributes = {
            "skillbox.dependencies.language": wanted.language.value,
            "skillbox.dependencies.key": key,
        }
        with tracing.span("dependencies.build", attributes=attributes) as span:
            made = await self._install(key, wanted, profile)
            _describe(span, made)
        _log.info(
            "dependencies installed",
            key=key,
            digest=made.digest,
            size_bytes=made.size_bytes,
            failed=bool(made.error),
            seconds=round(time.monotonic() - began, 3),
        )
        return made

    async def _install(self, key: str, wanted: Wanted, profile: Profile) -> DependencySet:
        try:
            built = await self._installer.build(wanted, profile.image, profile.runtime)
        except DependencyError as error:
            made = DependencySet(key, error=str(error))
        else:
            with built.file as file:
                await self._objects.put(object_key(built.digest), file, "application/gzip")
            made = DependencySet(key, built.digest, size_bytes=built.size)
        await self._sets.save(made)
        return made

    async def _bring(self, found: DependencySet, profile: Profile) -> None:
        """Puts a set where boxes can mount it, unless it is there."""
        if await self._shelf.has(profile):
            return
        with tempfile.TemporaryFile() as file:
            try:
                await self._download(found.digest, file)
                await self._shelf.add(profile, file)
            except (ObjectNotFound, DependencyError) as error:
                # Whoever comes next installs them anew.
                await self._sets.forget(found.key, 0.0)
                raise DependencyUnavailable("the packages of the skill were lost") from error

    async def _download(self, digest: str, file: IO[bytes]) -> None:
        seen = hashlib.sha256()
        async for chunk in self._objects.stream(object_key(digest)):
            seen.update(chunk)
            await asyncio.to_thread(file.write, chunk)
        if seen.hexdigest() != digest:
            raise DependencyError("the packages in the object store are not those of the set")
        file.seek(0)


def _describe(span: Span, made: DependencySet) -> None:
    """Says how a build ended; never what the installer said."""
    span.set_attribute("skillbox.dependencies.outcome", "failed" if made.error else "ready")
    if made.error:
        tracing.fail(span, Reason.DEPENDENCY_FAILED.value)
    else:
        span.set_attribute("skillbox.dependencies.size", made.size_bytes)
