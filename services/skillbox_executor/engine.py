"""Whether the sandbox engine can be reached, as far as this replica knows."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.tasks import background
from skillbox_executor.sandbox.interface import EngineAway, SandboxError

PATIENCE_S = 10.0
"""An engine that is away for so long is no blip: new callers are better told than kept waiting."""

_FIRST_DELAY_S = 0.25
_LONGEST_DELAY_S = 2.0
_ANSWER_S = 5.0
# Who is lost again so soon after it answered was not well, and is asked less and less often.
_STABLE_S = 10.0
_log = structlog.get_logger(__name__)


class Checked(Protocol):
    async def check(self) -> None:
        """See `Driver.check`."""
        ...


class Engine:
    """Remembers that the engine is away, and asks it until it answers again.

    While it is away nothing is taken from the queue, for it could only be put back there.

    Args:
        trust_s: Seconds for which `check` trusts the last good answer.
        now: A monotonic clock in seconds.
    """

    def __init__(
        self, driver: Checked, trust_s: float = 10.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._driver = driver
        self._trust_s = trust_s
        self._now = now
        self._away_since: float | None = None
        self._answered_at = float("-inf")
        self._back_at = float("-inf")
        self._delay_s = _FIRST_DELAY_S
        self._lost = asyncio.Event()

    @property
    def away(self) -> bool:
        return self._away_since is not None

    @property
    def away_s(self) -> float:
        """For how many seconds it has been away; 0 while it is there."""
        return 0.0 if self._away_since is None else self._now() - self._away_since

    def lost(self) -> None:
        """It could not be reached."""
        if self._away_since is not None:
            return
        self._away_since = self._now()
        if self._away_since - self._back_at > _STABLE_S:
            self._delay_s = _FIRST_DELAY_S
        _log.warning("the sandbox engine is away")
        self._lost.set()

    def require(self) -> None:
        """Returns while a new execution may hope to be run soon.

        Raises:
            DependencyUnavailable: The engine has been away for longer than a blip.
        """
        if self.away_s > PATIENCE_S:
            raise DependencyUnavailable(
                "the sandbox engine cannot be reached; try again later", round(_LONGEST_DELAY_S)
            )

    async def check(self) -> None:
        """Returns when boxes can be made; asks the engine only if that is not known.

        Raises:
            SandboxError: They cannot.
        """
        if self.away:
            raise EngineAway("the sandbox engine is away")
        if self._now() - self._answered_at > self._trust_s:
            await self._ask()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Finds out that the engine is back while the context is open."""
        async with background(self._watch()):
            yield

    async def _watch(self) -> None:
        while True:
            await self._lost.wait()
            # Replicas must not all come at once to an engine that has just started.
            await asyncio.sleep(random.uniform(0.5, 1.0) * self._delay_s)  # noqa: S311 - no secret
            self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._ask()
            except (SandboxError, TimeoutError):
                continue
            except Exception:
                _log.exception("the sandbox engine could not be asked")
                continue
            _log.info("the sandbox engine is back", seconds=round(self.away_s, 3))
            self._away_since, self._back_at = None, self._now()
            self._lost.clear()

    async def _ask(self) -> None:
        try:
            await self._driver.check()
        except EngineAway:
            self.lost()
            raise
        self._answered_at = self._now()
