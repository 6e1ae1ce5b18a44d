"""Has the packages of a version installed, beside its upload."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.principal import Principal, Scope
from skillbox_common.tasks import background, repeatedly
from skillbox_registry.skill import Dependencies, StoredSkill

_AT_ONCE = 16
_BEAT_S = 2.0
# An Executor that was stopped comes back, or another one does.
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0)
_PENDING = Dependencies("pending")
_CUT_OFF = Dependencies(
    "failed",
    "a service stopped before they were installed; an upload of the same version, or a look at it "
    "with a key that has skills:write, begins again, and a run installs them by itself",
)
_log = structlog.get_logger(__name__)


class Reports(Protocol):
    async def find(self, digest: str) -> Dependencies | None:
        """Returns what is known, and `pending` only while somebody is at it."""
        ...

    async def record(self, digest: str, dependencies: Dependencies) -> None: ...

    async def beat(self, digest: str) -> None:
        """Tells that somebody is still at it."""
        ...


class Installer(Protocol):
    async def install(self, token: str, stored: StoredSkill) -> Dependencies: ...


class PrepareDependencies:
    """An upload neither waits for packages nor fails because of them.

    An Executor that ends meanwhile is asked again. When this process ends meanwhile, who looks at
    the version next begins again, if its key might have uploaded it. Nothing is kept that could
    do so by itself, because it would need a key.

    Args:
        beat_s: Between two signs of life.
        pauses_s: Before an Executor that does not answer is asked again.
    """

    def __init__(
        self,
        reports: Reports,
        installer: Installer,
        *,
        beat_s: float = _BEAT_S,
        pauses_s: Sequence[float] = _PAUSES_S,
    ) -> None:
        self._reports = reports
        self._installer = installer
        self._beat_s = beat_s
        self._pauses_s = pauses_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def show(self, principal: Principal, stored: StoredSkill) -> Dependencies | None:
        """Returns what became of a version's packages; `None` when it asks for none.

        Args:
            principal: Who asks, and on whose behalf they are installed if nobody is at it.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        if not stored.spec.packages:
            return None
        found = await self._reports.find(stored.digest)
        if found is None:
            if principal.may(Scope.SKILLS_WRITE) or stored.digest in self._tasks:
                return self.start(principal, stored)
            return _CUT_OFF
        return None if found.status == "none" else found

    def start(self, principal: Principal, stored: StoredSkill) -> Dependencies | None:
        """Begins in the background; returns what there is to show until then."""
        if not stored.spec.packages:
            return None
        if stored.digest not in self._tasks:
            task = asyncio.create_task(self._prepare(principal.token, stored))
            self._tasks[stored.digest] = task
            task.add_done_callback(lambda _: self._tasks.pop(stored.digest))
        return _PENDING

    async def close(self) -> None:
        """Stops waiting for what is being installed; the Executor stops with it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _prepare(self, token: str, stored: StoredSkill) -> None:
        async def beat() -> None:
            await self._reports.beat(stored.digest)

        what = "show that packages are being installed"
        try:
            await self._reports.record(stored.digest, _PENDING)
            async with background(repeatedly(beat, self._beat_s, what)), self._places:
                dependencies = await self._install(token, stored)
            await self._reports.record(stored.digest, dependencies)
        except DependencyUnavailable as error:
            _log.warning("packages wait for who needs them next", error=error.message)

    async def _install(self, token: str, stored: StoredSkill) -> Dependencies:
        for pause_s in self._pauses_s:
            try:
                return await self._installer.install(token, stored)
            except DependencyUnavailable as error:
                _log.warning("packages are not installed yet", error=error.message)
            await asyncio.sleep(pause_s)
        return await self._installer.install(token, stored)
