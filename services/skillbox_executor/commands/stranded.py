"""Gives up what has waited in vain for a sandbox engine."""

from typing import Protocol

import structlog

from skillbox_common.units import format_duration
from skillbox_executor.domain import Outcome, Reason
from skillbox_executor.engine import Engine

_log = structlog.get_logger(__name__)


class StrandedStore(Protocol):
    async def end(self, standstill_s: float, outcome: Outcome) -> int:
        """Ends all that waits, unless any replica has run something lately.

        Args:
            standstill_s: How long ago that must have been.

        Returns:
            How many there were.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        ...


class Stranded:
    """What is accepted waits for an engine that is away, but not for ever.

    Args:
        wait_s: Seconds for which the engine may be away.
    """

    def __init__(self, store: StrandedStore, engine: Engine, wait_s: float) -> None:
        self._store = store
        self._engine = engine
        self._wait_s = wait_s

    async def __call__(self) -> None:
        """Looks once.

        Raises:
            DependencyUnavailable: The database does not answer.
        """
        if self._engine.away_s < self._wait_s:
            return
        outcome = Outcome.failed(
            Reason.ENGINE_LOST,
            "the sandbox engine could not be reached for "
            f"{format_duration(self._wait_s)}; the execution never started",
        )
        if count := await self._store.end(self._wait_s, outcome):
            _log.warning("gave up what waited for the sandbox engine", executions=count)
