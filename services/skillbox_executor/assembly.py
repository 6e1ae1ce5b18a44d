"""Puts the parts of one replica together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from skillbox_common import db
from skillbox_common.object_store import ObjectStore
from skillbox_common.tasks import background, repeatedly
from skillbox_executor.admission import Admission
from skillbox_executor.archive_cache import ArchiveCache, CachedArchives
from skillbox_executor.bundles import Bundles
from skillbox_executor.commands.abandoned import Abandoned
from skillbox_executor.commands.accept import Accept
from skillbox_executor.commands.execute import Execute
from skillbox_executor.commands.queries import Queries
from skillbox_executor.commands.record import Record
from skillbox_executor.commands.replica import Replica
from skillbox_executor.commands.run_in_sandbox import Boxes
from skillbox_executor.commands.runs import Runs
from skillbox_executor.commands.stranded import Stranded
from skillbox_executor.commands.sweep import Sweep
from skillbox_executor.commands.worker import Worker
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies.assembly import Packages
from skillbox_executor.engine import Engine
from skillbox_executor.events import EventFeed
from skillbox_executor.history import History
from skillbox_executor.notifications import CANCEL_CHANNEL, QUEUE_CHANNEL, Notifications
from skillbox_executor.sandbox.interface import Driver
from skillbox_executor.skills import SkillResolver
from skillbox_executor.store.postgres import PostgresExecutionStore
from skillbox_executor.store.queue import PostgresQueue
from skillbox_executor.store.replicas import PostgresReplicas
from skillbox_executor.store.retention import PostgresRetention
from skillbox_executor.store.stranded import PostgresStranded

_STRANDED_S = 1.0


class Executor:
    """One replica: `runs` and `queries` for callers, and what goes on behind them."""

    def __init__(
        self,
        settings: ExecutorSettings,
        *,
        pool: "db.Pool",
        skills: SkillResolver,
        archives: ObjectStore,
        artifacts: ObjectStore,
        driver: Driver,
        boxes: Boxes,
    ) -> None:
        owner = settings.executor_id
        store = PostgresExecutionStore(pool, owner)
        self.queue = queue = PostgresQueue(pool, owner, settings.idempotency_ttl)
        admission = Admission(settings.limits)
        self.engine = Engine(driver)
        self._stranded = Stranded(PostgresStranded(pool), self.engine, settings.engine_wait)
        cache = ArchiveCache(settings.bundle_dir, settings.bundle_dir_size)
        bundles = Bundles(CachedArchives(archives, cache), settings.bundle_cache_size)
        self.packages = Packages(
            settings, pool=pool, objects=archives, driver=driver, bundles=bundles
        )
        self.notifications = Notifications(settings.db_dsn.get_secret_value())
        retention = PostgresRetention(pool)
        history = History(store, retention, artifacts)
        self._sweep = Sweep(
            store,
            retention,
            artifacts,
            move_after_s=settings.move_events_after,
            forget_after_s=None if settings.retention == "forever" else settings.retention,
        )
        feed = EventFeed(store, history, self.notifications)
        self.worker = Worker(
            store=store,
            queue=queue,
            admission=admission,
            engine=self.engine,
            execute=Execute(
                settings=settings,
                bundles=bundles,
                dependencies=self.packages.dependencies,
                driver=driver,
                boxes=boxes,
            ),
            record=Record(store, artifacts),
            log_limit=settings.max_output_size,
        )
        self.replica = Replica(
            PostgresReplicas(pool, owner),
            self.worker,
            driver,
            heartbeat_s=settings.heartbeat,
            lease_s=settings.lease,
        )
        self._abandoned = Abandoned(store)
        accept = Accept(
            settings=settings,
            skills=skills,
            queue=queue,
            admission=admission,
            engine=self.engine,
            worker=self.worker,
            abandoned=self._abandoned,
        )
        self.runs = Runs(accept, feed, self._abandoned)
        self.queries = Queries(store, history, feed, artifacts)
        self.notifications.on(CANCEL_CHANNEL, self.worker.cancel)
        self.notifications.on(QUEUE_CHANNEL, self.worker.wake)
        self._grace_s = settings.shutdown_grace
        self._sweep_every_s = settings.sweep_interval
        self._recovered = asyncio.Event()

    async def recover(self) -> None:
        """Cleans up after an earlier process with this id, then takes part in the work."""
        await self.replica.recover()
        self._recovered.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Takes part in the work while the context is open, once `recover` is done."""
        try:
            async with (
                self.packages.running(),
                self.notifications.listening(),
                self.engine.watched(),
                background(self._take_part()),
            ):
                try:
                    yield
                finally:
                    await self._abandoned.close()
                    await self.worker.close(self._grace_s)
        finally:
            if self._recovered.is_set():
                await self.replica.leave()

    async def _take_part(self) -> None:
        await self._recovered.wait()
        sweeping = repeatedly(self._sweep, self._sweep_every_s, "sweep executions")
        giving_up = repeatedly(self._stranded, _STRANDED_S, "give up what waits for the engine")
        async with self.worker.working(), background(sweeping), background(giving_up):
            await self.replica.live()
