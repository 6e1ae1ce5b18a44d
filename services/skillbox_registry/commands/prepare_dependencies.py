"""Has the packages of a version installed, beside its upload."""

import asyncio
from typing import Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_registry.skill import Dependencies, StoredSkill

_AT_ONCE = 16
_PENDING = Dependencies("pending")
_log = structlog.get_logger(__name__)


class Reports(Protocol):
    async def find(self, digest: str) -> Dependencies | None: ...

    async def record(self, digest: str, dependencies: Dependencies) -> None: ...


class Installer(Protocol):
    async def install(self, token: str, stored: StoredSkill) -> Dependencies: ...


class PrepareDependencies:
    """An upload neither waits for packages nor fails because of them.

    What is lost here, as when this process ends meanwhile, the first run makes up for.
    """

    def __init__(self, reports: Reports, installer: Installer) -> None:
        self._reports = reports
        self._installer = installer
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def show(self, stored: StoredSkill) -> Dependencies | None:
        """Returns what became of a version's packages; `None` when it asks for none.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        if not stored.spec.packages:
            return None
        found = await self._reports.find(stored.digest) or _PENDING
        return None if found.status == "none" else found

    def start(self, token: str, stored: StoredSkill) -> Dependencies | None:
        """Begins in the background; returns what there is to show until then."""
        if not stored.spec.packages:
            return None
        if stored.digest not in self._tasks:
            task = asyncio.create_task(self._prepare(token, stored))
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
        try:
            await self._reports.record(stored.digest, _PENDING)
            async with self._places:
                dependencies = await self._installer.install(token, stored)
            await self._reports.record(stored.digest, dependencies)
        except DependencyUnavailable as error:
            _log.warning("packages wait for the first run", error=error.message)
