"""Records how an execution ended, together with its files."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, Protocol

import structlog

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.commands.run import Run
from skillbox_executor.commands.run_in_sandbox import Finished
from skillbox_executor.domain import EventKind, Execution, Outcome, Reason, Status
from skillbox_executor.events import finished_event
from skillbox_executor.store.interface import ExecutionWriter
from skillbox_executor.telemetry import artifact_bytes, phase

_RETRY_S = 0.5
_ARTIFACT_TRIES = 3
_log = structlog.get_logger(__name__)


class ArtifactStore(Protocol):
    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None: ...


def artifact_key(execution: Execution) -> str:
    """Returns where the files of an execution are kept in the bucket of executions."""
    return f"{execution.tenant_id}/{execution.id}/files.tar.gz"


class Record:
    """Writes the end of an execution, however long it takes until that is possible."""

    def __init__(self, store: ExecutionWriter, artifacts: ArtifactStore) -> None:
        self._store = store
        self._artifacts = artifacts

    async def __call__(self, run: Run, finished: Finished) -> None:
        """Returns when the end is recorded.

        Raises:
            ExecutionLost: Somebody else has recorded an end, or will.
        """
        run.flush_logs()
        outcome = await self._store_files(run, finished)
        run.execution = run.execution.ended(outcome, datetime.now(UTC))
        events = await run.writer.drain()
        events.append(finished_event(run.execution, run.writer.next_seq()))
        while True:
            try:
                await self._store.finish(run.execution, events)
                run.recorded = True
                return
            except DependencyUnavailable:
                _log.warning("the end of an execution is not recorded yet")
                await asyncio.sleep(_RETRY_S)

    async def _store_files(self, run: Run, finished: Finished) -> Outcome:
        """Uploads the files; a run whose files are lost did not succeed."""
        if finished.archive is None:
            return finished.outcome
        key = artifact_key(run.execution)
        with finished.archive as archive, phase("artifacts.upload"):
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
        artifact_bytes.add(finished.archive_size)
        detail = {"files": list(finished.outcome.files), "size_bytes": finished.archive_size}
        run.writer.append(run.writer.next(EventKind.ARTIFACT, detail=detail))
        return finished.outcome
