"""What commands need of a store of executions.

Every method raises `DependencyUnavailable` when the database does not answer. Whatever changes
an execution wakes up those who wait for it in a `Notifications` of any replica.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from skillbox_executor.admission import Load
from skillbox_executor.domain import Event, Execution, Outcome, Status
from skillbox_executor.work import Work

Cursor = tuple[datetime, str]
"""Where a page starts: creation time and id of the last execution sent."""


class ExecutionLost(Exception):
    """The execution is not this replica's any more: it was ended, or handed to another."""


class ExecutionReader(Protocol):
    """Executions as callers see them."""

    async def get(self, tenant_id: str, execution_id: str) -> Execution:
        """Returns an execution of a tenant.

        Raises:
            ExecutionNotFound: The tenant has none with this id, or the id is no UUID.
        """
        ...

    async def ended(self, execution_id: str) -> bool:
        """Tells whether an execution has ended."""
        ...

    async def page(
        self, tenant_id: str, after: Cursor | None, size: int, skill: str, status: Status | None
    ) -> list[Execution]:
        """Returns executions, newest first, without input, output and files.

        Args:
            skill: Name to filter by; empty for all.
        """
        ...

    async def request_cancel(self, execution_id: str) -> None:
        """Ends an execution that waits; asks the replica that holds it otherwise.

        The request stays until that replica has seen it.
        """
        ...


class EventReader(Protocol):
    """What happened in executions."""

    async def events(self, execution_id: str, after_seq: int, limit: int) -> list[Event]:
        """Returns at most `limit` events behind `after_seq`, in order."""
        ...

    async def logs(self, execution_id: str) -> bytes:
        """Returns everything that was printed, in order."""
        ...


class ExecutionWriter(Protocol):
    """The executions that this replica holds. None of another one can be changed here.

    Every method may be repeated after a failure, whether it had an effect or not.
    """

    async def start(self, execution: Execution, event: Event) -> None:
        """Marks an execution as running, with its start and its sandbox, and adds the event.

        From here on it is not run again.

        Raises:
            ExecutionLost: See there.
        """
        ...

    async def append(self, execution_id: str, events: Sequence[Event]) -> None:
        """Adds events. Adding one again that is there already changes nothing.

        Raises:
            ExecutionLost: See there.
        """
        ...

    async def finish(self, execution: Execution, events: Sequence[Event]) -> None:
        """Records the end of an execution together with its last events, all or nothing.

        Raises:
            ExecutionLost: See there.
        """
        ...


@dataclass(frozen=True)
class NewExecution:
    """An execution that is to be recorded.

    Attributes:
        events: Its first, and its last when it has ended already.
        work: `None` when there is nothing to run.
        key: Idempotency key; empty for none.
        request_hash: Tells requests apart; empty without a key.
    """

    execution: Execution
    events: Sequence[Event]
    work: Work | None
    key: str = ""
    request_hash: bytes = b""


class Admitted(Enum):
    """What became of a new execution."""

    HELD = "held"
    WAITING = "waiting"
    KEY_TAKEN = "key taken"


@dataclass(frozen=True)
class Assignment:
    """An execution that this replica holds and has not started.

    Attributes:
        last_seq: Number of its last event.
    """

    execution: Execution
    work: Work
    last_seq: int = 1


class Queue(Protocol):
    """Executions on their way to a replica that runs them."""

    async def repeated(self, tenant_id: str, key: str, request_hash: bytes) -> str | None:
        """Returns the id of the execution that a key belongs to.

        Raises:
            IdempotencyKeyReused: It belongs to another request.
        """
        ...

    async def spend_token(self, tenant_id: str, rate: float, burst: int) -> bool:
        """Takes a token out of a tenant's bucket; tells whether there was one.

        Args:
            rate: Tokens that come back per second.
            burst: Tokens in a full bucket.
        """
        ...

    async def record(self, new: NewExecution) -> bool:
        """Records an execution that needs no place; tells whether its key was free."""
        ...

    async def hold(self, new: NewExecution, sated: Collection[str]) -> bool:
        """Records an execution as this replica's own, unless somebody waits or has its key.

        One statement. Tells whether it is recorded.

        Args:
            sated: Tenants that may wait all the same: they get no slot here.
        """
        ...

    async def admit(self, new: NewExecution, decide: Callable[[Load], bool]) -> Admitted:
        """Records an execution while nobody else is admitted.

        Args:
            decide: Tells whether this replica holds it; else it waits.

        Raises:
            CapacityExhausted: By `decide`; nothing is recorded.
        """
        ...

    async def anyone_waiting(self, sated: Collection[str]) -> bool:
        """Tells whether a tenant waits that is not one of these."""
        ...

    async def take(self, tenant_ceiling: int | None, sated: Collection[str]) -> Assignment | None:
        """Takes the execution whose turn it is; `None` when there is none.

        The turn is with the tenant that has the fewest executions on replicas, among those
        with the one whose last turn is longest ago; within a tenant with the oldest.

        Args:
            tenant_ceiling: Most executions of one tenant on all replicas.
            sated: Tenants whose turn it cannot be.
        """
        ...

    async def held(self) -> dict[str, bool]:
        """Returns the ids of what this replica holds, and whether they are to be cancelled."""
        ...

    async def hand_back(self, execution_id: str, outcome: Outcome) -> None:
        """Gives an execution back that this replica holds, or ends it if it has started."""
        ...


class ReplicaStore(Protocol):
    """Which replicas are alive, and what the dead ones held."""

    async def beat(self) -> None:
        """Shows that this replica is alive."""
        ...

    async def leave(self) -> None:
        """Forgets this replica."""
        ...

    async def others(self) -> dict[str, int | None]:
        """Returns the other replicas, with the number of their last beat.

        The number is `None` for one that holds executions but never beat, or has left.
        """
        ...

    async def take_over(self, replica_id: str, beat: int | None, outcome: Outcome) -> int | None:
        """Ends what a replica had started and gives the rest back, unless it beat again.

        Returns:
            How many executions it held; `None` when it beat again.
        """
        ...

    async def clean_up(self, held: Collection[str], outcome: Outcome) -> int:
        """Does the same for an earlier process with this replica's id.

        Args:
            held: What this process holds itself.
        """
        ...


class Retention(Protocol):
    """Executions that have ended some time ago."""

    async def to_move(self, age_s: float, limit: int) -> list[Execution]:
        """Returns executions that ended before `age_s` seconds and whose events are rows."""
        ...

    async def ended_before(self, age_s: float, limit: int) -> list[Execution]:
        """Returns executions that ended before `age_s` seconds, the oldest first."""
        ...

    async def moved(self, execution_id: str) -> str | None:
        """Returns the tenant of an execution whose events were moved, else `None`."""
        ...

    async def set_moved(self, execution_id: str) -> None:
        """Removes the rows of an execution's events, which are kept elsewhere now."""
        ...

    async def forget(self, execution_id: str) -> None:
        """Removes an execution and its events."""
        ...
