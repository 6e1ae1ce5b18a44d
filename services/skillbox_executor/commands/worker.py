"""The executions that this replica holds, each from its slot to its recorded end."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.tasks import background
from skillbox_executor import telemetry
from skillbox_executor.admission import Admission
from skillbox_executor.commands.execute import Execute
from skillbox_executor.commands.record import Record
from skillbox_executor.commands.run import Run
from skillbox_executor.commands.run_in_sandbox import Finished
from skillbox_executor.domain import Outcome, Reason, Refused
from skillbox_executor.engine import Engine
from skillbox_executor.events import EventWriter
from skillbox_executor.log_limit import LogLimiter
from skillbox_executor.sandbox.interface import EngineAway
from skillbox_executor.store.interface import (
    Assignment,
    ExecutionLost,
    ExecutionWriter,
    Queue,
)
from skillbox_executor.work import Work

STOPPED = Outcome.failed(Reason.EXECUTOR_LOST, "the executor stopped while it ran")

_POLL_S = 0.5
_log = structlog.get_logger(__name__)


class Worker:
    """Takes executions from the queue while there are slots, and sees them through.

    Args:
        log_limit: Bytes of log kept of an execution.
    """

    def __init__(
        self,
        *,
        store: ExecutionWriter,
        queue: Queue,
        admission: Admission,
        engine: Engine,
        execute: Execute,
        record: Record,
        log_limit: int,
    ) -> None:
        self._store = store
        self._queue = queue
        self._admission = admission
        self._engine = engine
        self._execute = execute
        self._record = record
        self._log_limit = log_limit
        self._runs: dict[str, Run] = {}
        self._unknown: frozenset[str] = frozenset()
        self._draining_since: float | None = None
        self._wake = asyncio.Event()

    @property
    def held(self) -> frozenset[str]:
        """The ids of the executions that run here."""
        return frozenset(self._runs)

    def begin(self, assignment: Assignment) -> Run:
        """Runs an execution in the background. It is this replica's, and has a slot."""
        execution = assignment.execution
        writer = EventWriter(self._store, execution.id, assignment.last_seq)
        run = Run(execution, self._store, writer, LogLimiter(self._log_limit))
        self._runs[execution.id] = run
        with telemetry.tracked(execution, assignment.work.trace) as run.span:
            run.work = asyncio.create_task(self._work(run, assignment.work))
            run.end = asyncio.create_task(self._see_through(run))
        return run

    def cancel(self, execution_id: str) -> None:
        """Ends an execution if this replica holds it."""
        if run := self._runs.get(execution_id):
            run.cancel()

    def wake(self, _: str = "") -> None:
        """Somebody waits in the queue."""
        self._wake.set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Takes executions from the queue while the context is open."""
        async with (
            background(_forever(self._fill_slots, self._wake)),
            background(_forever(self._look_after, asyncio.Event())),
        ):
            yield

    def drain(self) -> None:
        """Takes nothing more."""
        self._draining_since = time.monotonic()
        self._admission.close()

    async def close(self, grace_s: float = 0.0) -> None:
        """Waits until all that runs has ended and is gone.

        When `grace_s` seconds have passed since `drain`, what has started is stopped, and the
        rest given back to the queue, for other replicas.
        """
        if self._draining_since is None:
            self.drain()
        while ends := {run.end for run in self._runs.values()}:
            left_s = (self._draining_since or 0.0) + grace_s - time.monotonic()
            if left_s <= 0:
                for run in self._runs.values():
                    run.stop(STOPPED)
            await asyncio.wait(ends, timeout=left_s if left_s > 0 else None)

    async def _fill_slots(self) -> None:
        if self._engine.away:
            return
        slots = self._admission
        while await self._queue.anyone_waiting(slots.sated) and slots.take_slot(None):
            try:
                assignment = await self._queue.take(slots.limits.tenant_ceiling, slots.sated)
            except BaseException:
                slots.give_back(None)
                raise
            if assignment is None:
                slots.give_back(None)
                return
            slots.assign(assignment.execution.tenant_id)
            self.begin(assignment)

    async def _look_after(self) -> None:
        """Finds out what no message has told: who is to be cancelled and what was lost."""
        before = self.held
        held = await self._queue.held()
        for execution_id in before & self.held:
            if held.get(execution_id, True):
                self._runs[execution_id].cancel()
        # Held without a run: the answer of the database was lost, or a run broke down.
        unknown = frozenset(held) - before - self.held
        for execution_id in unknown & self._unknown:
            await self._queue.hand_back(execution_id, STOPPED)
        self._unknown = unknown

    async def _see_through(self, run: Run) -> None:
        """Takes an execution to a recorded end, whatever happens to its work."""
        execution_id = run.execution.id
        try:
            try:
                finished = await run.work
            except asyncio.CancelledError:
                if run.cancelled is None:
                    await self._queue.hand_back(execution_id, STOPPED)
                    return
                finished = Finished(run.cancelled)
            except EngineAway:
                # It has not started. Perhaps the engine of another replica is there.
                self._engine.lost()
                await self._queue.hand_back(execution_id, STOPPED)
                return
            await self._record(run, finished)
        except ExecutionLost:
            _log.warning("an execution was taken over", execution_id=execution_id)
        except Exception:
            _log.exception("the end of an execution could not be recorded")
        finally:
            telemetry.ended(run.span, run.execution if run.recorded else None)
            # It may have been taken away and taken again meanwhile.
            if self._runs.get(execution_id) is run:
                del self._runs[execution_id]
            self._admission.give_back(run.execution.tenant_id, time.monotonic() - run.began)
            self.wake()

    async def _work(self, run: Run, work: Work) -> Finished:
        try:
            return await self._execute(work, run)
        except Refused as error:
            return Finished(Outcome.failed(error.reason, str(error)))
        except DependencyUnavailable as error:
            return Finished(Outcome.failed(Reason.INTERNAL, error.message))
        except (ExecutionLost, EngineAway):
            raise
        except Exception:
            _log.exception("an execution failed unexpectedly")
            return Finished(Outcome.failed(Reason.INTERNAL, "internal error"))


async def _forever(step: Callable[[], Awaitable[None]], wake: asyncio.Event) -> None:
    """Takes a step when woken, and from time to time: a message may be lost."""
    failing = False
    while True:
        # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await wake.wait()
        wake.clear()
        try:
            await step()
            failing = False
        except DependencyUnavailable as error:
            if not failing:
                _log.warning("the queue cannot be reached", error=error.message)
            failing = True
        except Exception:
            _log.exception("the queue could not be looked at")
