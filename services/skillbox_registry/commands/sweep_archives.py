"""Removes archives that no version needs any more."""

from typing import Protocol

import structlog

from skillbox_registry.skill import archive_key
from skillbox_registry.store.interface import ArchiveList

_log = structlog.get_logger(__name__)


class RemovableArchives(Protocol):
    async def delete(self, key: str) -> None: ...


class SweepArchives:
    """Every replica sweeps; an archive is removed by one of them.

    Args:
        unneeded_s: Seconds for which an archive is kept after its last version has gone; a run
            that was accepted before may still ask for it.
    """

    def __init__(
        self, known: ArchiveList, archives: RemovableArchives, *, unneeded_s: float
    ) -> None:
        self._known = known
        self._archives = archives
        self._unneeded_s = unneeded_s

    async def __call__(self) -> None:
        """Sweeps once.

        Raises:
            DependencyUnavailable: The database or the object store does not answer.
        """
        await self._known.mark_unneeded()
        removed = 0
        while await self._known.remove_one(self._unneeded_s, self._remove):
            removed += 1
        if removed:
            _log.info("swept", archives=removed)

    async def _remove(self, digest: str) -> None:
        await self._archives.delete(archive_key(digest))
