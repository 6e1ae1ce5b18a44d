"""One execution that this replica holds."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from opentelemetry.trace import Span

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.commands.run_in_sandbox import Finished
from skillbox_executor.domain import CANCELLED, EventKind, Execution, Outcome, Status
from skillbox_executor.events import EventWriter, sandbox_detail
from skillbox_executor.log_limit import LogLimiter
from skillbox_executor.pool import Start
from skillbox_executor.sandbox.interface import Evidence
from skillbox_executor.store.interface import ExecutionWriter
from skillbox_executor.telemetry import log_bytes

_RETRY_S = 0.5
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ended:
    """An execution that has ended.

    Attributes:
        execution: As this replica recorded it; `None` when another one did.
        logs: Everything that was printed then.
    """

    id: str
    execution: Execution | None = None
    logs: bytes = b""


@dataclass
class Run:
    """An execution that this replica holds; observes what its sandbox does.

    Attributes:
        work: What leads to an outcome. It may be cancelled; recording its end may not.
        end: Completes when the end is recorded, or somebody else has to record it.
        cancelled: How it ends when its work is cancelled; `None` when it is given back.
        recorded: Whether its end is recorded by this replica.
        began: When it took its slot, on a monotonic clock.
        logs: Everything that was printed, as it is recorded.
    """

    execution: Execution
    store: ExecutionWriter
    writer: EventWriter
    limiter: LogLimiter
    span: Span = field(init=False, repr=False)
    work: "asyncio.Task[Finished]" = field(init=False, repr=False)
    end: "asyncio.Task[None]" = field(init=False, repr=False)
    cancelled: Outcome | None = CANCELLED
    recorded: bool = False
    began: float = field(default_factory=time.monotonic)
    logs: bytearray = field(default_factory=bytearray, repr=False)

    async def wait(self) -> None:
        """Returns when this replica has nothing more to do for the execution."""
        await asyncio.wait({self.end})

    def cancel(self) -> None:
        """Ends the execution, unless it has ended; its record will say `cancelled`."""
        self.work.cancel()

    def stop(self, outcome: Outcome) -> None:
        """Ends it with an outcome if it has started; else gives it back to the queue."""
        self.cancelled = outcome if self.execution.status is Status.RUNNING else None
        self.work.cancel()

    async def started(self, evidence: Evidence, start: Start) -> None:
        """The box is isolated like this and the skill is about to run.

        Returns when that is recorded: an execution that never started may run elsewhere.

        Raises:
            ExecutionLost: See there.
        """
        detail = sandbox_detail(evidence, start)
        event = self.writer.next(EventKind.STARTED, detail=detail)
        started = replace(
            self.execution, status=Status.RUNNING, started_at=datetime.now(UTC), sandbox=detail
        )
        # From the first attempt on, since nobody knows of a lost connection what it did.
        self.execution = started
        while True:
            try:
                await self.store.start(started, event)
                return
            except DependencyUnavailable:
                _log.warning("the start of an execution is not recorded yet")
                await asyncio.sleep(_RETRY_S)

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
        log_bytes.add(len(data))
        self.logs += data
        self.writer.append(self.writer.next(EventKind.LOG, stream=stream, data=data))
