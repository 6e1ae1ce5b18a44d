"""One execution that this replica holds."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.commands.run_in_sandbox import Finished
from skillbox_executor.domain import EventKind, Execution, Status
from skillbox_executor.events import EventWriter, sandbox_detail
from skillbox_executor.log_limit import LogLimiter
from skillbox_executor.pool import Start
from skillbox_executor.sandbox.interface import Evidence
from skillbox_executor.store.interface import ExecutionStore

_log = structlog.get_logger(__name__)


@dataclass
class Run:
    """An execution that this replica holds; observes what its sandbox does.

    Attributes:
        work: What leads to an outcome. It may be cancelled; recording its end may not.
        end: Completes when the end is recorded.
    """

    execution: Execution
    store: ExecutionStore
    writer: EventWriter
    limiter: LogLimiter
    work: "asyncio.Task[Finished]" = field(init=False, repr=False)
    end: "asyncio.Task[None]" = field(init=False, repr=False)

    async def wait(self) -> None:
        """Returns when the execution has ended and is recorded."""
        await asyncio.wait({self.end})

    def cancel(self) -> None:
        """Ends the execution, unless it has ended; its record will say `cancelled`."""
        self.work.cancel()

    async def started(self, evidence: Evidence, start: Start) -> None:
        """The box is isolated like this and the skill is about to run."""
        detail = sandbox_detail(evidence, start)
        self.execution = replace(
            self.execution, status=Status.RUNNING, started_at=datetime.now(UTC), sandbox=detail
        )
        self.writer.append(self.writer.next(EventKind.STARTED, detail=detail))
        try:
            await self.store.start(self.execution)
        except DependencyUnavailable:
            # The end of the execution records the same once more.
            _log.warning("the start of an execution is not recorded yet")

    def printed(self, stream: str, data: bytes) -> None:
        """The skill printed something."""
        shown = self.limiter.feed(stream, data)
        if shown:
            self._log_event(stream, shown)

    def flush_logs(self) -> None:
        """Records the tail that was kept back."""
        for stream, data in self.limiter.rest():
            self._log_event(stream, data)

    def _log_event(self, stream: str, data: bytes) -> None:
        self.writer.append(self.writer.next(EventKind.LOG, stream=stream, data=data))
