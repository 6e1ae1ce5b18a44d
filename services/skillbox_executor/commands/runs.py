"""What callers may ask to be run. What is accepted ends in a recorded state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from skillbox_common.principal import Principal
from skillbox_common.telemetry import tracing
from skillbox_executor.commands.abandoned import Abandoned
from skillbox_executor.commands.accept import Accept, Accepted
from skillbox_executor.commands.run import Ended
from skillbox_executor.domain import RunRequest
from skillbox_executor.events import EventFeed
from skillbox_executor.plan import check_request


class Runs:
    """Starts executions, and waits for them on behalf of callers."""

    def __init__(self, accept: Accept, feed: EventFeed, abandoned: Abandoned) -> None:
        self._accept = accept
        self._feed = feed
        self._abandoned = abandoned

    async def start(self, principal: Principal, request: RunRequest, key: str = "") -> str:
        """Accepts an execution and returns its id; it runs whether anybody waits or not.

        Args:
            key: Idempotency key; empty for none. With the key of an earlier request this
                returns what that one started.

        Raises:
            InvalidArgument: The request makes no sense.
            SkillNotFound: The latest version of an unknown skill was asked for.
            CapacityExhausted: There is no place; nothing is recorded.
            IdempotencyKeyReused: The key belongs to another request.
        """
        accepted = await asyncio.shield(self._accepting(principal, request, key))
        tracing.bind(execution_id=accepted.id)
        return accepted.id

    @asynccontextmanager
    async def held(
        self, principal: Principal, request: RunRequest, key: str = ""
    ) -> AsyncIterator[Accepted]:
        """Runs for the sake of one caller: cancels when the caller leaves before the end.

        Not so with a key, by which the caller can come back.

        Raises:
            SkillboxError: See `start`.
        """
        accepting = self._accepting(principal, request, key)
        try:
            accepted = await asyncio.shield(accepting)
        except asyncio.CancelledError:
            # An accepted execution must not be forgotten because its caller left meanwhile.
            if not key:
                accepting.add_done_callback(self._left_early)
            raise
        tracing.bind(execution_id=accepted.id)
        try:
            yield accepted
        except BaseException:
            if not key:
                self._left(accepted)
            raise

    async def run(self, principal: Principal, request: RunRequest, key: str = "") -> Ended:
        """Runs to the recorded end.

        Raises:
            SkillboxError: See `start`.
        """
        async with self.held(principal, request, key) as accepted:
            run = accepted.run
            if run is not None:
                await run.wait()
                if run.recorded:
                    return Ended(accepted.id, run.execution, bytes(run.logs))
            await self._feed.until_ended(accepted.id)
        return Ended(accepted.id)

    def _accepting(
        self, principal: Principal, request: RunRequest, key: str
    ) -> "asyncio.Task[Accepted]":
        check_request(request)
        accepting = asyncio.create_task(self._accept(principal, request, key))
        # Whoever asked may not be there any more to hear of it.
        accepting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return accepting

    def _left_early(self, accepting: "asyncio.Task[Accepted]") -> None:
        if not accepting.cancelled() and accepting.exception() is None:
            self._left(accepting.result())

    def _left(self, accepted: Accepted) -> None:
        if accepted.run is not None and not accepted.run.work.done():
            accepted.run.cancel()
        else:
            # It waits, perhaps once more: its run may have been given back to the queue.
            self._abandoned.cancel(accepted.id)
