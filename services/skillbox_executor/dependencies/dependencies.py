"""Sees to it that the packages of a skill are there before it runs."""

import asyncio
import hashlib
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import IO, Any, Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.object_store import ObjectNotFound
from skillbox_executor.bundles import Bundle
from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.dependencies.installer import Built
from skillbox_executor.dependencies.shelf import Shelf
from skillbox_executor.dependencies.store import DependencySet
from skillbox_executor.dependencies.wanted import Wanted, asks, read_wanted, set_key
from skillbox_executor.domain import Reason, Refused
from skillbox_executor.plan import Plan
from skillbox_executor.sandbox.interface import (
    PACKAGES,
    ImageMissing,
    Language,
    Profile,
    SandboxError,
)

_BUILDS_AT_ONCE = 2
_KNOWN = 1000
# For so long a set that was there is taken to be there still.
TRUST_S = 600.0
# How an interpreter is told of packages; the runner of Node links them.
_VARIABLES = {Language.PYTHON: {"PYTHONPATH": PACKAGES}}
_log = structlog.get_logger(__name__)


class Installs(Protocol):
    async def build(self, wanted: Wanted, image: str, runtime: str) -> Built:
        """See `Installer.build`."""
        ...


class Sets(Protocol):
    """See `PostgresDependencyStore`."""

    async def use(self, key: str) -> DependencySet | None: ...

    async def save(self, made: DependencySet) -> None: ...

    def alone(self, key: str) -> AbstractAsyncContextManager[None]: ...

    async def forget(self, key: str, seconds: float) -> bool: ...


class Objects(Protocol):
    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None: ...

    def stream(self, key: str) -> AsyncIterator[bytes]: ...


def object_key(digest: str) -> str:
    """Returns where the tar of a set is kept in the bucket of skills."""
    return f"dependencies/{digest}.tar.gz"


class Dependencies:
    """The packages of skills, on this replica's engine.

    Args:
        retry_s: Seconds until a run tries again what failed.
    """

    def __init__(
        self,
        *,
        installer: Installs,
        shelf: Shelf,
        sets: Sets,
        objects: Objects,
        off: bool = False,
        retry_s: float = 300.0,
    ) -> None:
        self._installer = installer
        self._shelf = shelf
        self._sets = sets
        self._objects = objects
        self._off = off
        self._retry_s = retry_s
        self._builds = asyncio.Semaphore(_BUILDS_AT_ONCE)
        self._fingerprints: OrderedDict[tuple[str, Language], str] = OrderedDict()
        self._trusted: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._working: dict[str, asyncio.Task[str]] = {}

    async def planned(self, plan: Plan, bundle: Bundle, archive_key: str) -> Plan:
        """Returns the plan with the packages that its skill asks for; waits until they are there.

        Raises:
            Refused: They cannot be installed, or the engine cannot take them.
            DependencyUnavailable: The database or the object store does not answer.
        """
        if self._off:
            return plan
        try:
            digest = await self.digest(bundle, archive_key, plan.profile)
        except DependencyError as error:
            raise Refused(Reason.DEPENDENCY_FAILED, f"installing packages: {error}") from error
        except ImageMissing as error:
            raise Refused(Reason.IMAGE_MISSING, str(error)) from error
        except SandboxError as error:
            raise Refused(Reason.ENGINE_LOST, str(error)) from error
        if not digest:
            return plan
        env = {**plan.payload.env, **_VARIABLES.get(plan.profile.language, {})}
        return replace(
            plan,
            profile=replace(plan.profile, dependencies=digest),
            payload=replace(plan.payload, env=env),
        )

    async def digest(
        self, bundle: Bundle, archive_key: str, profile: Profile, *, again: bool = False
    ) -> str:
        """Returns the digest of the set for a skill, which is there then; empty for no packages.

        Args:
            profile: Image, language and runtime count.
            again: Whether to try again what failed, however recently.

        Raises:
            DependencyError: They cannot be installed.
            SandboxError: The engine cannot install or take them.
            DependencyUnavailable: The database or the object store does not answer.
        """
        if not asks(bundle, profile.language):
            return ""
        fingerprint = await self._fingerprint(bundle, archive_key, profile.language)
        if not fingerprint:
            return ""
        interpreter = await self._shelf.interpreter(profile.image, profile.language)
        key = set_key(fingerprint, interpreter)
        digest, since = self._trusted.get(key, ("", 0.0))
        if digest and time.monotonic() - since < TRUST_S:
            self._trusted.move_to_end(key)
            return digest
        return await self._once(key, self._provide(key, bundle, profile, again))

    async def close(self) -> None:
        """Gives up what is being installed."""
        tasks = list(self._working.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fingerprint(self, bundle: Bundle, archive_key: str, language: Language) -> str:
        known = self._fingerprints.get((archive_key, language))
        if known is None:
            wanted = await asyncio.to_thread(read_wanted, bundle, language)
            known = wanted.fingerprint if wanted else ""
            self._fingerprints[archive_key, language] = known
            if len(self._fingerprints) > _KNOWN:
                self._fingerprints.popitem(last=False)
        return known

    async def _once(self, key: str, work: Coroutine[Any, Any, str]) -> str:
        """Lets everybody who wants the same wait for the same work.

        It goes on when one of them leaves: there are others, or will be.
        """
        if key in self._working:
            work.close()
        else:
            task = self._working[key] = asyncio.create_task(work)
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(self._working[key])

    def _done(self, key: str, task: "asyncio.Task[str]") -> None:
        del self._working[key]
        if not task.cancelled():
            task.exception()  # perhaps nobody waits any more

    async def _provide(self, key: str, bundle: Bundle, profile: Profile, again: bool) -> str:
        asked = time.monotonic()

        def usable(found: DependencySet | None) -> bool:
            if found is None or not found.error:
                return found is not None
            # Somebody else may have tried again while this one waited for the lock.
            patience = 0.0 if again else self._retry_s
            return found.age_s < max(patience, time.monotonic() - asked)

        found = await self._sets.use(key)
        if not usable(found):
            async with self._builds, self._sets.alone(key):
                found = await self._sets.use(key)
                if not usable(found):
                    found = await self._build(key, bundle, profile)
        assert found is not None, "it was found or built"
        if found.error:
            raise DependencyError(found.error)
        await self._bring(found, replace(profile, dependencies=found.digest))
        self._trusted[key] = found.digest, time.monotonic()
        if len(self._trusted) > _KNOWN:
            self._trusted.popitem(last=False)
        return found.digest

    async def _build(self, key: str, bundle: Bundle, profile: Profile) -> DependencySet:
        wanted = await asyncio.to_thread(read_wanted, bundle, profile.language)
        assert wanted is not None, "it has a fingerprint"
        began = time.monotonic()
        try:
            built = await self._installer.build(wanted, profile.image, profile.runtime)
        except DependencyError as error:
            made = DependencySet(key, error=str(error))
        else:
            with built.file as file:
                await self._objects.put(object_key(built.digest), file, "application/gzip")
            made = DependencySet(key, built.digest, size_bytes=built.size)
        await self._sets.save(made)
        _log.info(
            "dependencies installed",
            key=key,
            digest=made.digest,
            size_bytes=made.size_bytes,
            failed=bool(made.error),
            seconds=round(time.monotonic() - began, 3),
        )
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
