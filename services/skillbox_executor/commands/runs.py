"""Accepts executions and sees each of them to its end."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable, SkillNotFound
from skillbox_common.principal import Principal
from skillbox_executor import schemas
from skillbox_executor.admission import Admission
from skillbox_executor.bundles import Bundles, BundleUnavailable
from skillbox_executor.commands.run import Run
from skillbox_executor.commands.run_in_sandbox import (
    Boxes,
    Finished,
    run_in_sandbox,
    teardowns_done,
)
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.domain import (
    CANCELLED,
    EventKind,
    Execution,
    Outcome,
    Reason,
    RunRequest,
    Status,
)
from skillbox_executor.events import EventWriter, finished_event
from skillbox_executor.log_limit import LogLimiter
from skillbox_executor.plan import Refused, check_policy, check_request, make_plan
from skillbox_executor.sandbox.interface import Driver
from skillbox_executor.skills import Skill, SkillResolver
from skillbox_executor.store.interface import ExecutionStore

_RETRY_S = 0.5
_ARTIFACT_TRIES = 3
_log = structlog.get_logger(__name__)


class ArtifactStore(Protocol):
    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None: ...


def artifact_key(execution: Execution) -> str:
    """Returns where the files of an execution are kept in the bucket of executions."""
    return f"{execution.tenant_id}/{execution.id}/files.tar.gz"


class Runs:
    """The executions of this replica."""

    def __init__(
        self,
        *,
        settings: ExecutorSettings,
        skills: SkillResolver,
        bundles: Bundles,
        store: ExecutionStore,
        artifacts: ArtifactStore,
        driver: Driver,
        boxes: Boxes,
    ) -> None:
        self._settings = settings
        self._skills = skills
        self._bundles = bundles
        self._store = store
        self._artifacts = artifacts
        self._driver = driver
        self._boxes = boxes
        self._admission = Admission(settings.max_concurrent_execs, settings.max_queue)
        self._runs: dict[str, Run] = {}

    async def start(self, principal: Principal, request: RunRequest) -> Run:
        """Accepts an execution: it is recorded, then runs in the background.

        Raises:
            InvalidArgument: The request makes no sense.
            SkillNotFound: The latest version of an unknown skill was asked for.
            CapacityExhausted: There is no place; nothing is recorded.
        """
        check_request(request)
        # An accepted execution must not be forgotten because its caller left meanwhile.
        starting = asyncio.create_task(self._start(principal, request))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_cancel_started)
            raise

    @asynccontextmanager
    async def held(self, principal: Principal, request: RunRequest) -> AsyncIterator[str]:
        """Runs for the sake of one caller: yields the id, and cancels when the caller leaves.

        Raises:
            SkillboxError: See `start`.
        """
        run = await self.start(principal, request)
        try:
            yield run.execution.id
        finally:
            run.cancel()

    async def run(self, principal: Principal, request: RunRequest) -> str:
        """Runs to the recorded end and returns the id; cancels when it is cancelled.

        Raises:
            SkillboxError: See `start`.
        """
        run = await self.start(principal, request)
        try:
            await run.wait()
        finally:
            run.cancel()
        return run.execution.id

    def cancel(self, execution_id: str) -> None:
        """Ends an execution if this replica holds it."""
        if run := self._runs.get(execution_id):
            run.cancel()

    async def recover(self) -> None:
        """Cleans up after an earlier process of this executor that died."""
        boxes = await self._driver.reap()
        outcome = Outcome.failed(Reason.EXECUTOR_LOST, "the executor stopped while it ran")
        executions = await self._store.abandon(self._settings.executor_id, outcome)
        if boxes or executions:
            _log.warning("recovered", boxes=boxes, executions=executions)

    async def close(self) -> None:
        """Cancels what still runs and waits until all of it is recorded and gone."""
        runs = list(self._runs.values())
        for run in runs:
            run.cancel()
        await asyncio.gather(*(run.wait() for run in runs))
        await teardowns_done()

    async def _start(self, principal: Principal, request: RunRequest) -> Run:
        self._admission.enter()
        try:
            skill, refusal = await self._resolve(principal, request)
            run = await self._accept(principal, request, skill)
        except BaseException:
            self._admission.leave()
            raise
        self._runs[run.execution.id] = run
        run.work = asyncio.create_task(self._work(run, request, skill, refusal))
        run.end = asyncio.create_task(self._see_through(run))
        return run

    async def _resolve(
        self, principal: Principal, request: RunRequest
    ) -> tuple[Skill | None, Refused | None]:
        try:
            return await self._skills.resolve(principal, request.skill, request.version), None
        except SkillNotFound as error:
            if request.wants_latest:
                raise
            return None, Refused(Reason.SKILL_NOT_LOADED, f"loading skill: {error.message}")

    async def _accept(self, principal: Principal, request: RunRequest, skill: Skill | None) -> Run:
        execution = Execution(
            id=str(uuid.uuid4()),
            tenant_id=principal.tenant_id,
            skill_name=request.skill,
            skill_version=skill.version if skill else request.version,
            status=Status.QUEUED,
            created_at=datetime.now(UTC),
            input_json=request.input_json,
        )
        writer = EventWriter(self._store, execution.id)
        await self._store.create(
            execution, self._settings.executor_id, writer.next(EventKind.QUEUED)
        )
        return Run(execution, self._store, writer, LogLimiter(self._settings.max_output_size))

    async def _see_through(self, run: Run) -> None:
        """Takes an accepted execution to a recorded end, whatever happens to its work."""
        try:
            try:
                finished = await run.work
            except asyncio.CancelledError:
                finished = Finished(CANCELLED)
            await self._record(run, finished)
        except Exception:
            _log.exception("the end of an execution could not be recorded")
        finally:
            self._admission.leave()
            del self._runs[run.execution.id]

    async def _work(
        self, run: Run, request: RunRequest, skill: Skill | None, refusal: Refused | None
    ) -> Finished:
        structlog.contextvars.bind_contextvars(execution_id=run.execution.id)
        try:
            if skill is None:
                raise refusal or AssertionError("neither a skill nor a reason why not")
            check_policy(request, skill, self._settings)
            async with self._admission.slot:
                return await self._execute(run, request, skill)
        except Refused as error:
            return Finished(Outcome.failed(error.reason, str(error)))
        except DependencyUnavailable as error:
            return Finished(Outcome.failed(Reason.INTERNAL, error.message))
        except Exception:
            _log.exception("an execution failed unexpectedly")
            return Finished(Outcome.failed(Reason.INTERNAL, "internal error"))

    async def _execute(self, run: Run, request: RunRequest, skill: Skill) -> Finished:
        try:
            bundle = await self._bundles.get(skill.archive_key, skill.root)
        except BundleUnavailable as error:
            raise Refused(Reason.SKILL_NOT_LOADED, f"loading skill: {error}") from error
        plan = make_plan(request, skill, bundle, self._settings)
        await _check_schema(skill.input_schema, request.input_json, Reason.INVALID_INPUT, "input")
        finished = await run_in_sandbox(self._driver, self._boxes, plan, run)
        outcome = finished.outcome
        if outcome.status is Status.SUCCESS:
            try:
                await _check_schema(
                    skill.output_schema,
                    outcome.output_json or "null",
                    Reason.INVALID_OUTPUT,
                    "output",
                )
            except Refused as error:
                failed = replace(
                    outcome, status=Status.FAILED, reason=error.reason, error=str(error)
                )
                return replace(finished, outcome=failed)
        return finished

    async def _record(self, run: Run, finished: Finished) -> None:
        run.flush_logs()
        outcome = await self._store_files(run, finished)
        run.execution = run.execution.ended(outcome, datetime.now(UTC))
        events = await run.writer.drain()
        events.append(finished_event(run.execution, run.writer.next_seq()))
        while True:
            try:
                await self._store.finish(run.execution, events)
                return
            except DependencyUnavailable:
                _log.warning("the end of an execution is not recorded yet")
                await asyncio.sleep(_RETRY_S)

    async def _store_files(self, run: Run, finished: Finished) -> Outcome:
        """Uploads the files; a run whose files are lost did not succeed."""
        if finished.archive is None:
            return finished.outcome
        key = artifact_key(run.execution)
        with finished.archive as archive:
            for _ in range(_ARTIFACT_TRIES):
                try:
                    archive.seek(0)
                    await self._artifacts.put(key, archive, "application/gzip")
                    break
                except DependencyUnavailable:
                    await asyncio.sleep(_RETRY_S)
            else:
                return replace(
                    finished.outcome,
                    status=Status.FAILED,
                    reason=Reason.INTERNAL,
                    error="the files of the skill could not be stored",
                    files=(),
                )
        detail = {"files": list(finished.outcome.files), "size_bytes": finished.archive_size}
        run.writer.append(run.writer.next(EventKind.ARTIFACT, detail=detail))
        return finished.outcome


def _cancel_started(starting: "asyncio.Task[Run]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().cancel()


async def _check_schema(schema: str, document: str, reason: Reason, name: str) -> None:
    if not schema:
        return
    try:
        await asyncio.to_thread(schemas.check, schema, document)
    except schemas.SchemaViolation as error:
        raise Refused(reason, f"{name} does not satisfy the {name} schema: {error}") from error
