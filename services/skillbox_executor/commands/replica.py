"""Shows that this replica is alive, and takes over from those that are not."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.tasks import background
from skillbox_executor.commands.worker import STOPPED, Worker
from skillbox_executor.sandbox.interface import EngineAway, SandboxError
from skillbox_executor.store.interface import ReplicaStore

_log = structlog.get_logger(__name__)


class Reaper(Protocol):
    async def reap(self, owner: str = "") -> int:
        """Destroys boxes that a process which is gone left; see `Driver.reap`."""
        ...


class Replica:
    """One of several executors on one database.

    A replica is dead when its beats have not gone on for a whole lease while ours have. So no
    clock matters but our own monotonic one, and an outage of the database, which stops all
    hearts at once, kills nobody.

    Args:
        now: A monotonic clock in seconds.
    """

    def __init__(
        self,
        store: ReplicaStore,
        worker: Worker,
        reaper: Reaper,
        *,
        heartbeat_s: float,
        lease_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._worker = worker
        self._reaper = reaper
        self._heartbeat_s = heartbeat_s
        self._lease_s = lease_s
        self._now = now
        self._last_look = now()
        # Each holder's last beat, and when it was new.
        self._seen: dict[str, tuple[int | None, float]] = {}
        # The dead whose boxes may still be there.
        self._survived: set[str] = set()

    async def recover(self) -> None:
        """Cleans up after an earlier process with this id that died."""
        await self._store.beat()
        boxes = await self._reaper.reap()
        executions = await self._store.clean_up(self._worker.held, STOPPED)
        if boxes or executions:
            _log.warning("recovered", boxes=boxes, executions=executions)

    async def live(self) -> None:
        """Beats forever."""
        async with background(self._reap_the_dead()):
            while True:
                await self.beat()
                await asyncio.sleep(self._heartbeat_s)

    async def beat(self) -> None:
        """Shows that this replica is alive, and takes over from every one that is dead."""
        try:
            async with asyncio.timeout(self._lease_s):
                await self._store.beat()
                await self._look()
        except (DependencyUnavailable, TimeoutError):
            _log.warning("no heartbeat")
            self._seen.clear()
        except Exception:
            _log.exception("the replicas could not be looked at")
            self._seen.clear()

    async def _look(self) -> None:
        others, now = await self._store.others(), self._now()
        if now - self._last_look > self._lease_s:
            # We were asleep ourselves.
            self._seen.clear()
        self._last_look = now
        before = self._seen
        self._seen = {
            name: seen if (seen := before.get(name)) and seen[0] == beat else (beat, now)
            for name, beat in others.items()
        }
        self._survived -= others.keys()  # who is back cleans up by itself
        for name, (beat, since) in self._seen.items():
            if now - since >= self._lease_s:
                count = await self._store.take_over(name, beat, STOPPED)
                if count is not None:
                    _log.warning("took over from a replica", replica=name, executions=count)
                    self._survived.add(name)

    async def _reap_the_dead(self) -> None:
        """Destroys the boxes of those whom this replica survived, beside its own beats."""
        while True:
            await asyncio.sleep(self._heartbeat_s)
            for name in sorted(self._survived):
                try:
                    boxes = await self._reaper.reap(name)
                except EngineAway:
                    continue  # it is asked again
                except SandboxError as error:
                    # It has another engine, or a socket proxy keeps its boxes from us.
                    _log.warning("boxes may be left", replica=name, error=str(error))
                except Exception:
                    _log.exception("boxes may be left", replica=name)
                else:
                    _log.info("reaped the boxes of a dead replica", replica=name, boxes=boxes)
                self._survived.discard(name)

    async def leave(self) -> None:
        """Says good-bye; whatever this replica could not give back is taken over."""
        try:
            await self._store.leave()
        except DependencyUnavailable:
            _log.warning("left without a word")
