"""Accepts executions: checks them, and finds a place for each or says why there is none."""

import asyncio
import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import msgspec

from skillbox_common.errors import CapacityExhausted, DependencyUnavailable, SkillNotFound
from skillbox_common.principal import Principal
from skillbox_common.telemetry import tracing
from skillbox_executor import telemetry
from skillbox_executor.admission import Admission
from skillbox_executor.capacity import capacity
from skillbox_executor.commands.abandoned import Abandoned
from skillbox_executor.commands.run import Run
from skillbox_executor.commands.worker import Worker
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.domain import (
    Event,
    EventKind,
    Execution,
    Outcome,
    Reason,
    Refused,
    RunRequest,
    Status,
)
from skillbox_executor.engine import Engine
from skillbox_executor.events import finished_event
from skillbox_executor.plan import check_policy
from skillbox_executor.skills import Skill, SkillResolver
from skillbox_executor.store.interface import Admitted, Assignment, NewExecution, Queue
from skillbox_executor.turnstile import Turnstile
from skillbox_executor.work import Work

_PATIENCE_S = 0.5


@dataclass(frozen=True)
class Accepted:
    """An execution that a caller asked for, now or before.

    Attributes:
        run: Set when it runs on this replica for this caller.
    """

    id: str
    run: Run | None = None


class Accept:
    """The way into the queue and past it."""

    def __init__(
        self,
        *,
        settings: ExecutorSettings,
        skills: SkillResolver,
        queue: Queue,
        admission: Admission,
        engine: Engine,
        worker: Worker,
        abandoned: Abandoned,
    ) -> None:
        self._settings = settings
        self._skills = skills
        self._queue = queue
        self._admission = admission
        self._engine = engine
        self._worker = worker
        self._abandoned = abandoned
        # One for every two cores: what is accepted is to have the other.
        self._turnstile = Turnstile(max(1, int(capacity().cpus) // 2), _PATIENCE_S)
        self._holding = 0
        self._settled = asyncio.Event()
        self._settled.set()

    async def __call__(self, principal: Principal, request: RunRequest, key: str) -> Accepted:
        """Records an execution, and begins it if there is a slot.

        Raises:
            SkillboxError: See `Runs.start`; nothing is recorded.
        """
        request_hash = _hash(request) if key else b""
        while True:
            if key and (
                found := await self._queue.repeated(principal.tenant_id, key, request_hash)
            ):
                return Accepted(found)
            self._engine.require()
            await self._admission.check(principal.tenant_id)
            await self._check_rate(principal.tenant_id)
            async with self._turnstile.passing(principal.tenant_id):
                skill, refusal = await self._resolve(principal, request)
                if skill is not None:
                    tracing.bind(skill_name=skill.name, skill_version=skill.version)
                new = _new_execution(principal, request, skill, refusal)
                accepted = await self._record(replace(new, key=key, request_hash=request_hash))
            if accepted is not None:
                return accepted

    async def _check_rate(self, tenant_id: str) -> None:
        limits = self._admission.limits
        if limits.rate is not None and not await self._queue.spend_token(
            tenant_id, limits.rate, limits.burst
        ):
            raise self._admission.too_fast()

    async def _resolve(
        self, principal: Principal, request: RunRequest
    ) -> tuple[Skill | None, Refused | None]:
        try:
            skill = await self._skills.resolve(principal, request.skill, request.version)
        except SkillNotFound as error:
            if request.wants_latest:
                raise
            return None, Refused(Reason.SKILL_NOT_LOADED, f"loading skill: {error.message}")
        try:
            check_policy(request, skill, self._settings)
        except Refused as refusal:
            return skill, refusal
        return skill, None

    async def _record(self, new: NewExecution) -> Accepted | None:
        """Finds a place for an execution; `None` when its key was taken meanwhile."""
        if new.work is None:
            recorded = await self._queue.record(new)
            if not recorded:
                return None
            telemetry.count(new.execution)
            return Accepted(new.execution.id)
        slot = not self._engine.away and self._admission.take_slot(new.execution.tenant_id)
        held = False
        try:
            held = slot and await self._hold(new)
            if held:
                return self._begin(new)
            # Who has a slot comes first: he must not find somebody waiting who came later.
            await self._settled.wait()
            decide = partial(self._admission.may_run, slot=slot)
            admitted = await self._queue.admit(new, decide)
            if admitted is Admitted.HELD:
                held = True
                return self._begin(new)
        except CapacityExhausted as error:
            self._admission.refused(new.execution.tenant_id, error)
            raise
        except DependencyUnavailable:
            # Perhaps it is recorded all the same. Then it is not to run for nobody.
            if not new.key:
                self._abandoned.cancel(new.execution.id)
            raise
        finally:
            if slot and not held:
                self._admission.give_back(new.execution.tenant_id)
        if admitted is Admitted.KEY_TAKEN:
            return None
        self._worker.wake()
        return Accepted(new.execution.id)

    async def _hold(self, new: NewExecution) -> bool:
        if self._admission.limits.tenant_ceiling is not None:
            return False  # a ceiling is counted, which asks for the lock that `admit` takes
        self._holding += 1
        self._settled.clear()
        try:
            return await self._queue.hold(new, self._admission.sated)
        finally:
            self._holding -= 1
            if not self._holding:
                self._settled.set()

    def _begin(self, new: NewExecution) -> Accepted:
        assert new.work is not None
        run = self._worker.begin(Assignment(new.execution, new.work))
        return Accepted(new.execution.id, run)


def _new_execution(
    principal: Principal, request: RunRequest, skill: Skill | None, refusal: Refused | None
) -> NewExecution:
    now = datetime.now(UTC)
    execution = Execution(
        id=str(uuid.uuid4()),
        tenant_id=principal.tenant_id,
        skill_name=request.skill,
        skill_version=skill.version if skill else request.version,
        status=Status.QUEUED,
        created_at=now,
        input_json=request.input_json,
    )
    events = [Event(1, now, EventKind.QUEUED)]
    work = None
    if refusal is not None:
        execution = execution.ended(Outcome.failed(refusal.reason, str(refusal)), now)
        events.append(finished_event(execution, 2))
    else:
        assert skill is not None
        work = Work(request, skill, tracing.carrier())
    return NewExecution(execution, events, work)


def _hash(request: RunRequest) -> bytes:
    """Returns what two requests have in common when they ask for the same."""
    parts = [
        request.skill,
        "latest" if request.wants_latest else request.version,
        request.input_json,
        sorted(request.env.items()),
        request.entrypoint,
        list(request.args),
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).digest()
