"""Runs one plan in one box and says how it ended."""

import asyncio
import signal
from dataclasses import dataclass
from typing import IO, Protocol

from skillbox_common.units import format_duration
from skillbox_executor import results
from skillbox_executor.domain import Outcome, Reason, Status
from skillbox_executor.plan import Plan
from skillbox_executor.pool import Start
from skillbox_executor.results import ResultError, Results, ResultSink
from skillbox_executor.sandbox.frames import End, Output, Result
from skillbox_executor.sandbox.interface import (
    Box,
    BoxLost,
    Driver,
    EngineAway,
    EngineUnavailable,
    Evidence,
    ImageMissing,
    Profile,
    RunnerFault,
)
from skillbox_executor.telemetry import phase

PREPARE_TIMEOUT_S = 60.0
_SMALL_RESULT = 64 * 1024
_TAR_OVERHEAD = 8 * 1024 * 1024


class Observer(Protocol):
    """Who is told what happens while it happens."""

    async def started(self, evidence: Evidence, start: Start) -> None:
        """The box is isolated like this and the skill is about to run."""
        ...

    def printed(self, stream: str, data: bytes) -> None:
        """The skill printed these bytes to `stdout` or `stderr`."""
        ...


@dataclass(frozen=True)
class Finished:
    """How a run ended, and what it left.

    Attributes:
        archive: `files.tar.gz`; the owner closes it. `None` when there are no files.
    """

    outcome: Outcome
    archive: IO[bytes] | None = None
    archive_size: int = 0


class Boxes(Protocol):
    """Where boxes come from."""

    async def acquire(self, profile: Profile, tenant_id: str) -> tuple[Box, Start]:
        """Returns a box for one use; see `WarmPool.acquire`."""
        ...

    def release(self, box: Box, *, idle: bool) -> None:
        """Takes it back, used or not; see `WarmPool.release`."""
        ...


async def run_in_sandbox(driver: Driver, boxes: Boxes, plan: Plan, observer: Observer) -> Finished:
    """Takes a box, runs the plan in it and reads what it left.

    The box is released when this returns or is cancelled. Everything that a skill or an engine
    can do wrong is an outcome, not an exception, with one exception.

    Raises:
        EngineAway: There is no box. Nothing of the plan has left this process.
    """
    try:
        async with asyncio.timeout(PREPARE_TIMEOUT_S):
            with phase("sandbox.acquire") as span:
                box, start = await boxes.acquire(plan.profile, plan.tenant_id)
                span.set_attribute("skillbox.sandbox.start", start.value)
    except EngineAway:
        raise
    except ImageMissing as error:
        return Finished(Outcome.failed(Reason.IMAGE_MISSING, str(error)))
    except EngineUnavailable as error:
        return Finished(Outcome.failed(Reason.ENGINE_LOST, str(error)))
    except TimeoutError:
        return Finished(Outcome.failed(Reason.ENGINE_LOST, "the sandbox did not start in time"))
    end: End | Outcome | None = None
    sink = ResultSink(plan.profile.limits.sandbox_bytes + _TAR_OVERHEAD)
    try:
        try:
            evidence = await driver.evidence(box)
            driver.load(box, plan.payload)  # the box unpacks it while the start is recorded
            await observer.started(evidence, start)
            with phase("sandbox.run"):
                end = await _run(driver, box, plan, observer, sink)
            if isinstance(end, Outcome):
                return Finished(end)
            outcome = await _ending(driver, box, plan, end)
        finally:
            boxes.release(box, idle=isinstance(end, End))
        return await _with_results(outcome, end, plan, sink)
    finally:
        sink.close()


async def _run(
    driver: Driver, box: Box, plan: Plan, observer: Observer, sink: ResultSink
) -> End | Outcome:
    """Feeds the box and relays what it says; returns its end, or why there is none."""
    try:
        async with asyncio.timeout(plan.timeout_s):
            async for frame in driver.run(box, plan.payload):
                match frame:
                    case Output(stream, data):
                        observer.printed(stream, data)
                    case Result(data):
                        sink.write(data)
                    case End():
                        return frame
        return Outcome.failed(Reason.RUNNER_FAULT, "the runner ended without a result")
    except TimeoutError:
        return Outcome(
            Status.TIMEOUT,
            Reason.TIME_LIMIT,
            f"execution timed out after {format_duration(plan.timeout_s)}",
        )
    except ResultError as error:
        return Outcome.failed(error.reason, str(error))
    except (RunnerFault, BoxLost, EngineUnavailable) as error:
        if await driver.out_of_memory(box):
            return _out_of_memory(plan, None)
        fault = isinstance(error, RunnerFault)
        return Outcome.failed(Reason.RUNNER_FAULT if fault else Reason.ENGINE_LOST, str(error))


async def _ending(driver: Driver, box: Box, plan: Plan, end: End) -> Outcome:
    if end.exit_code == 0:
        return Outcome(Status.SUCCESS, exit_code=0)
    if await driver.out_of_memory(box):
        return _out_of_memory(plan, end.exit_code)
    if end.signal is not None:
        return Outcome.failed(
            Reason.SIGNAL, f"container was killed by signal {end.signal} ({_name(end.signal)})"
        )
    return Outcome(
        Status.FAILED,
        Reason.EXIT_CODE,
        f"container exited with code {end.exit_code}",
        exit_code=end.exit_code,
    )


def _out_of_memory(plan: Plan, exit_code: int | None) -> Outcome:
    limit = plan.profile.limits.memory_bytes // (1024 * 1024)
    return Outcome(
        Status.FAILED,
        Reason.OUT_OF_MEMORY,
        f"out of memory: the limit is {limit}Mi",
        exit_code=exit_code,
    )


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


async def _with_results(outcome: Outcome, end: End, plan: Plan, sink: ResultSink) -> Finished:
    """Adds output and files; what is wrong with them fails a run that succeeded."""
    try:
        left = await _read(sink, plan.payload.max_files)
    except ResultError as error:
        return Finished(_unless_failed(outcome, error.reason, str(error)))
    if end.truncated:
        outcome = _unless_failed(
            outcome,
            Reason.ARTIFACT_LIMIT,
            f"the skill left more than {plan.payload.max_files} files, or some that are too large, "
            "too deep or unreadable",
        )
    if left.problem is not None:
        outcome = _unless_failed(outcome, left.problem.reason, str(left.problem))
    return Finished(_complete(outcome, left), left.archive, left.archive_size)


async def _read(sink: ResultSink, max_files: int) -> Results:
    """Reads what the skill left, in a thread when that could hold up others."""
    if sink.size <= _SMALL_RESULT:
        return results.read(sink.file, max_files)
    return await asyncio.to_thread(results.read, sink.file, max_files)


def _complete(outcome: Outcome, left: Results) -> Outcome:
    return Outcome(
        outcome.status,
        outcome.reason,
        outcome.error,
        outcome.exit_code,
        left.output_json,
        left.files,
    )


def _unless_failed(outcome: Outcome, reason: Reason, error: str) -> Outcome:
    if outcome.status is not Status.SUCCESS:
        return outcome
    return Outcome(Status.FAILED, reason, error, outcome.exit_code)
