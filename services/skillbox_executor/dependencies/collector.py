"""Removes dependency sets that no run has used for long."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from skillbox_common.tasks import background, repeatedly
from skillbox_executor.dependencies.provider import object_key
from skillbox_executor.dependencies.shelf import Shelf
from skillbox_executor.dependencies.store import DependencySet

_EVERY_S = 3600.0


class Sets(Protocol):
    """See `PostgresDependencyStore`."""

    async def unused(self, seconds: float) -> Sequence[DependencySet]: ...

    async def forget(self, key: str, seconds: float) -> bool: ...


class Objects(Protocol):
    async def delete(self, key: str) -> None: ...


class Collector:
    """Removes old sets in two steps, because each replica has copies of its own.

    What was unused for `ttl_s` seconds goes from the engine of every replica that looks; after
    twice as long the tar and the row go too.
    """

    def __init__(self, *, shelf: Shelf, sets: Sets, objects: Objects, ttl_s: float) -> None:
        self._shelf = shelf
        self._sets = sets
        self._objects = objects
        self._ttl_s = ttl_s

    async def collect(self) -> None:
        """Looks once.

        Raises:
            SandboxError: The engine cannot remove a set.
            DependencyUnavailable: The database or the object store does not answer.
        """
        for each in await self._sets.unused(self._ttl_s):
            if each.digest:
                await self._shelf.remove(each.digest)
            if await self._sets.forget(each.key, 2 * self._ttl_s) and each.digest:
                await self._objects.delete(object_key(each.digest))

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[None]:
        """Looks every hour while the context is open."""
        async with background(repeatedly(self.collect, _EVERY_S, "remove old dependencies")):
            yield
