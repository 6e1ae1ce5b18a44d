"""Puts the parts of one replica's dependencies together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from skillbox_common import db
from skillbox_common.object_store import ObjectStore
from skillbox_executor.bundles import Bundles
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies.collector import Collector
from skillbox_executor.dependencies.dependencies import Dependencies
from skillbox_executor.dependencies.folders import Folders
from skillbox_executor.dependencies.installer import Installer
from skillbox_executor.dependencies.prepare import PrepareDependencies
from skillbox_executor.dependencies.provider import Provider
from skillbox_executor.dependencies.shelf import Shelf
from skillbox_executor.dependencies.store import PostgresDependencyStore
from skillbox_executor.dependencies.volumes import Volumes
from skillbox_executor.sandbox.interface import Driver


class Packages:
    """`dependencies` for runs, `prepare` for uploads, and what goes on behind them."""

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        pool: "db.Pool",
        objects: ObjectStore,
        driver: Driver,
        bundles: Bundles,
    ) -> None:
        self.shelf = _shelf(driver, settings)
        sets = PostgresDependencyStore(pool)
        provider = Provider(
            installer=Installer(driver, settings),
            shelf=self.shelf,
            sets=sets,
            objects=objects,
            retry_s=settings.dependency_retry,
        )
        off = settings.dependencies == "off"
        self.dependencies = Dependencies(provider, self.shelf, off=off)
        self.prepare = PrepareDependencies(settings, bundles, self.dependencies)
        self.collector = Collector(
            shelf=self.shelf, sets=sets, objects=objects, ttl_s=settings.dependency_ttl
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Removes old sets while the context is open."""
        try:
            async with self.collector.collecting():
                yield
        finally:
            await self.dependencies.close()
            await self.shelf.close()


def _shelf(driver: Driver, settings: ExecutorSettings) -> Shelf:
    if settings.sandbox == "docker":
        return Volumes(driver, settings)
    return Folders(settings.dependency_dir, settings.builder_memory)
