"""Sees to it that the packages of a skill are there before it runs."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from opentelemetry.trace import SpanContext, get_current_span

from skillbox_executor.bundles import Bundle
from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.dependencies.provider import Provider
from skillbox_executor.dependencies.shelf import Shelf
from skillbox_executor.dependencies.wanted import asks, read_wanted, set_key
from skillbox_executor.domain import Reason, Refused
from skillbox_executor.plan import Plan
from skillbox_executor.sandbox.interface import (
    PACKAGES,
    EngineAway,
    ImageMissing,
    Language,
    Profile,
    SandboxError,
)
from skillbox_executor.telemetry import phase

_KNOWN = 1000
# For so long a set that was there is taken to be there still.
TRUST_S = 600.0
# How an interpreter is told of packages; the runner of Node links them.
_VARIABLES = {Language.PYTHON: {"PYTHONPATH": PACKAGES}}


class Dependencies:
    """The packages of skills, on this replica's engine."""

    def __init__(self, provider: Provider, shelf: Shelf, *, off: bool = False) -> None:
        self._provider = provider
        self._shelf = shelf
        self._off = off
        self._fingerprints: OrderedDict[tuple[str, Language], str] = OrderedDict()
        self._trusted: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._working: dict[str, tuple[asyncio.Task[str], SpanContext]] = {}

    async def planned(self, plan: Plan, bundle: Bundle, archive_key: str) -> Plan:
        """Returns the plan with the packages that its skill asks for; waits until they are there.

        Raises:
            Refused: They cannot be installed, or the engine cannot take them.
            EngineAway: See there.
            DependencyUnavailable: The database or the object store does not answer.
        """
        if self._off or not asks(bundle, plan.profile.language):
            return plan
        try:
            with phase("dependencies.prepare"):
                digest = await self.digest(bundle, archive_key, plan.profile)
        except DependencyError as error:
            raise Refused(Reason.DEPENDENCY_FAILED, f"installing packages: {error}") from error
        except EngineAway:
            raise
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
        digest = await self._once(key, self._provider.provide(key, bundle, profile, again=again))
        self._trusted[key] = digest, time.monotonic()
        if len(self._trusted) > _KNOWN:
            self._trusted.popitem(last=False)
        return digest

    async def close(self) -> None:
        """Gives up what is being installed."""
        tasks = [task for task, _ in self._working.values()]
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

        It goes on when one of them leaves: there are others, or will be. It is part of the trace
        of the first; the others have a link to it.
        """
        asking = get_current_span()
        if key in self._working:
            work.close()
            task, first = self._working[key]
            asking.add_link(first)
        else:
            task = asyncio.create_task(work)
            self._working[key] = task, asking.get_span_context()
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def _done(self, key: str, task: "asyncio.Task[str]") -> None:
        del self._working[key]
        if not task.cancelled():
            task.exception()  # perhaps nobody waits any more
