"""From the schema of the first revision, with data in it."""

import uuid

import pytest
from pydantic import SecretStr

from skillbox.executor.v1.execution_service_pb2 import ListExecutionsRequest
from skillbox_common import db, migrate
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.main import PACKAGE, SCHEMA
from tests.service.executor.calls import check_events, get, reason, run, status
from tests.service.executor.conftest import ALICE, replica
from tests.support import parts

_EXECUTION = """
INSERT INTO executions (id, tenant_id, skill_name, skill_version, status, input_json, created_at,
                        started_at, finished_at, owner)
VALUES ($1, 'tenant-a', 'echo', '1.2.3', $2, '{"old":1}', '2026-01-01', $3, $3, 'old')
"""
_EVENT = "INSERT INTO events (execution_id, seq, time, kind) VALUES ($1, $2, now(), $3)"


async def test_executions_of_the_first_revision(
    dsn: str, s3: parts.S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = migrate._scripts(PACKAGE)
    steps = scripts._upgrade_revs
    with monkeypatch.context() as first:
        first.setattr(scripts, "_upgrade_revs", lambda _, current: steps("0001", current))
        await migrate.migrate(PACKAGE, dsn, SCHEMA)
    settings = ExecutorSettings(
        db_dsn=SecretStr(dsn),
        s3_endpoint=s3.endpoint,
        s3_access_key=SecretStr(s3.access_key),
        s3_secret_key=SecretStr(s3.secret_key),
        executor_id="new",
        heartbeat=0.1,
        lease=0.6,
    )
    old = {state: str(uuid.uuid4()) for state in ("queued", "running", "success")}
    async with db.connect(settings, SCHEMA) as pool:
        for state, execution_id in old.items():
            ended = await pool.fetchval("SELECT now()") if state == "success" else None
            await pool.execute(_EXECUTION, execution_id, state, ended)
            for seq, kind in enumerate(["queued", "started", "finished"], 1):
                if state == "success" or seq == 1:
                    await pool.execute(_EVENT, execution_id, seq, kind)
    await migrate.migrate(PACKAGE, dsn, SCHEMA)
    async with replica(settings) as stack:
        for state in ("queued", "running"):
            lost = await get(stack, old[state], wait_s=10)
            assert (status(lost), reason(lost)) == ("FAILED", "EXECUTOR_LOST")
            await check_events(stack, old[state])
        kept = await get(stack, old["success"])
        assert (status(kept), kept.input_json) == ("SUCCESS", '{"old":1}')
        assert status(await run(stack)) == "SUCCESS"
        page = await stack.grpc.ListExecutions(ListExecutionsRequest(), metadata=ALICE)
        assert len(page.executions) == 4
