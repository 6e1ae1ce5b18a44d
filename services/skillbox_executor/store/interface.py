"""What commands need of a store of executions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from skillbox_executor.domain import Event, Execution, Outcome, Status

Cursor = tuple[datetime, str]
"""Where a page starts: creation time and id of the last execution sent."""


class ExecutionStore(Protocol):
    """Executions and their events.

    Every method raises `DependencyUnavailable` when the database does not answer. Whatever
    changes an execution wakes up those who wait for it in a `Notifications` of any replica.
    """

    async def create(self, execution: Execution, owner: str, first: Event) -> None:
        """Records an accepted execution and its first event."""
        ...

    async def start(self, execution: Execution) -> None:
        """Marks a queued execution as running, with its start and its sandbox."""
        ...

    async def append(self, execution_id: str, events: Sequence[Event]) -> None:
        """Adds events. Adding one again that is there already changes nothing."""
        ...

    async def finish(self, execution: Execution, events: Sequence[Event]) -> None:
        """Records the end of an execution together with its last events, all or nothing.

        An execution that has ended already is left as it is.
        """
        ...

    async def get(self, tenant_id: str, execution_id: str) -> Execution:
        """Returns an execution of a tenant.

        Raises:
            ExecutionNotFound: The tenant has none with this id, or the id is no UUID.
        """
        ...

    async def page(
        self, tenant_id: str, after: Cursor | None, size: int, skill: str, status: Status | None
    ) -> list[Execution]:
        """Returns executions, newest first, without input, output and files.

        Args:
            skill: Name to filter by; empty for all.
        """
        ...

    async def events(self, execution_id: str, after_seq: int, limit: int) -> list[Event]:
        """Returns at most `limit` events behind `after_seq`, in order."""
        ...

    async def logs(self, execution_id: str) -> bytes:
        """Returns everything that was printed, in order."""
        ...

    async def request_cancel(self, execution_id: str) -> None:
        """Asks the replica that holds the execution to end it."""
        ...

    async def abandon(self, owner: str, outcome: Outcome) -> int:
        """Ends every execution that an earlier process with this owner id left unfinished.

        Returns:
            How many there were.
        """
        ...
