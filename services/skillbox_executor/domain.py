"""What an execution is. Nothing here knows about transports, stores or engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The state of an execution; also its name in REST replies and in Postgres."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in (Status.QUEUED, Status.RUNNING)


class Reason(StrEnum):
    """Why an execution did not succeed; the names of `ExecutionReason`."""

    EXIT_CODE = "EXIT_CODE"
    SIGNAL = "SIGNAL"
    TIME_LIMIT = "TIME_LIMIT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    OUTPUT_LIMIT = "OUTPUT_LIMIT"
    ARTIFACT_LIMIT = "ARTIFACT_LIMIT"
    INVALID_OUTPUT = "INVALID_OUTPUT"
    INVALID_INPUT = "INVALID_INPUT"
    SKILL_NOT_LOADED = "SKILL_NOT_LOADED"
    IMAGE_NOT_ALLOWED = "IMAGE_NOT_ALLOWED"
    IMAGE_MISSING = "IMAGE_MISSING"
    ENVIRONMENT_REFUSED = "ENVIRONMENT_REFUSED"
    CANCELLED = "CANCELLED"
    ENGINE_LOST = "ENGINE_LOST"
    RUNNER_FAULT = "RUNNER_FAULT"
    EXECUTOR_LOST = "EXECUTOR_LOST"
    INTERNAL = "INTERNAL"
    DEPENDENCY_FAILED = "DEPENDENCY_FAILED"
    RUNTIME_NOT_ALLOWED = "RUNTIME_NOT_ALLOWED"


class Refused(Exception):
    """The execution may not run; it ends as failed with this reason and text."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class RunRequest:
    """What a caller asks for, checked and normalised.

    Attributes:
        version: Empty for `latest`.
        input_json: Compact JSON text; `{}` when the caller sent nothing.
        entrypoint: Script to run instead of the skill's own; empty for that.
    """

    skill: str
    version: str = ""
    input_json: str = "{}"
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    entrypoint: str = ""
    args: Sequence[str] = ()

    @property
    def wants_latest(self) -> bool:
        return self.version in ("", "latest")


@dataclass(frozen=True)
class Outcome:
    """How an execution ended.

    Attributes:
        error: One sentence for the caller; empty on success.
        output_json: Compact JSON text; `None` when the skill wrote none.
        files: Paths inside `files.tar.gz`.
    """

    status: Status
    reason: Reason | None = None
    error: str = ""
    exit_code: int | None = None
    output_json: str | None = None
    files: Sequence[str] = ()

    @classmethod
    def failed(cls, reason: Reason, error: str) -> "Outcome":
        return cls(Status.FAILED, reason, error)


CANCELLED = Outcome(Status.CANCELLED, Reason.CANCELLED, "execution cancelled")


@dataclass(frozen=True)
class Execution:
    """One run of a skill as it is stored.

    Attributes:
        sandbox: The evidence, as `events.sandbox_detail` writes it; `None` without a sandbox.
        queue_position: Counts the tenant's queued executions up to this one; 0 when it is not
            queued.
    """

    id: str
    tenant_id: str
    skill_name: str
    skill_version: str
    status: Status
    created_at: datetime
    reason: Reason | None = None
    error: str = ""
    input_json: str = "{}"
    output_json: str | None = None
    files: Sequence[str] = ()
    exit_code: int | None = None
    duration_ms: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    sandbox: Mapping[str, Any] | None = None
    queue_position: int = 0

    def ended(self, outcome: Outcome, now: datetime) -> "Execution":
        """Returns this execution as it is after `outcome`."""
        seconds = (now - self.started_at).total_seconds() if self.started_at else 0.0
        return replace(
            self,
            status=outcome.status,
            reason=outcome.reason,
            # It may quote a caller's NUL, which no database text can hold.
            error=outcome.error.replace("\0", "\\0"),
            exit_code=outcome.exit_code,
            output_json=outcome.output_json,
            files=outcome.files,
            finished_at=now,
            duration_ms=max(0, min(round(seconds * 1000), 2**31 - 1)),
        )


class EventKind(StrEnum):
    QUEUED = "queued"
    STARTED = "started"
    LOG = "log"
    ARTIFACT = "artifact"
    FINISHED = "finished"


@dataclass(frozen=True)
class Event:
    """One entry of an execution's append-only list.

    Attributes:
        seq: Counts from 1 without gaps.
        stream: `stdout`, `stderr` or `system` for a log, else empty.
        data: What was printed, for a log.
        detail: What the other kinds have to say, as JSON values.
    """

    seq: int
    time: datetime
    kind: EventKind
    stream: str = ""
    data: bytes = b""
    detail: Mapping[str, Any] = field(default_factory=dict)
