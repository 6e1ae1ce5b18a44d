"""The Executor over gRPC, on real Postgres and S3, with a driver that plays scripts."""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncpg
import grpc.aio
import pytest
from pydantic import SecretStr

from skillbox.executor.v1.execution_rest_pb2_grpc import (
    ExecutionRestServiceStub,
    add_ExecutionRestServiceServicer_to_server,
)
from skillbox.executor.v1.execution_service_pb2_grpc import (
    ExecutionServiceStub,
    add_ExecutionServiceServicer_to_server,
)
from skillbox_common import db, object_store
from skillbox_common.errors import SkillNotFound
from skillbox_common.interceptors import build_chain
from skillbox_common.migrate import migrate
from skillbox_common.principal import Principal, Scope
from skillbox_common.server import create_server
from skillbox_executor.access import ACCESS
from skillbox_executor.assembly import Executor
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.main import PACKAGE, SCHEMA
from skillbox_executor.pool import PoolLimits, WarmPool
from skillbox_executor.rest import ExecutionRestServicer
from skillbox_executor.servicer import ExecutionServicer
from skillbox_executor.skills import Skill
from tests.service.executor.scripted import ScriptedDriver
from tests.support import parts

if TYPE_CHECKING:
    from skillbox.executor.v1.execution_rest_pb2_grpc import ExecutionRestServiceAsyncStub
    from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceAsyncStub

ALICE = (("authorization", "Bearer alice"),)
BOB = (("authorization", "Bearer bob"),)
READER = (("authorization", "Bearer reader"),)

SKILL = Skill(
    tenant_id="tenant-a",
    name="echo",
    version="1.2.3",
    image="",
    runtime="",
    timeout="60s",
    memory="",
    cpu="",
    entrypoint="main.py",
    instructions="",
    archive_key="archives/echo",
    root="",
    input_schema="",
    output_schema="",
)


class Introspector:
    async def introspect(self, token: str) -> Principal | None:
        everything = frozenset(Scope)
        known = {
            "alice": Principal("key-a", "tenant-a", everything, "alice"),
            "bob": Principal("key-b", "tenant-b", everything, "bob"),
            "reader": Principal("key-r", "tenant-a", frozenset({Scope.EXECUTIONS_READ}), "reader"),
        }
        return known.get(token)


class Skills:
    """Knows `echo@1.2.3` and what a test changes about it."""

    def __init__(self) -> None:
        self.skill = SKILL

    async def resolve(self, principal: Principal, name: str, version: str) -> Skill:
        if name != "echo" or version not in ("", "latest", "1.2.3"):
            raise SkillNotFound(f"skill not found: {name}@{version or 'latest'}")
        return self.skill

    def change(self, **fields: str) -> None:
        self.skill = replace(self.skill, **fields)


@dataclass
class Stack:
    """What a test may look at and change. All but the pool is of one replica."""

    grpc: "ExecutionServiceAsyncStub"
    rest: "ExecutionRestServiceAsyncStub"
    driver: ScriptedDriver
    skills: Skills
    executor: Executor
    pool: "db.Pool"
    settings: ExecutorSettings


def make_zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@asynccontextmanager
async def replica(settings: ExecutorSettings) -> AsyncIterator[Stack]:
    """Starts an executor on the settings' database."""
    async with AsyncExitStack() as resources:
        enter = resources.enter_async_context
        pool = await enter(db.connect(settings, SCHEMA))
        archives = await enter(object_store.connect(settings, "skills"))
        artifacts = await enter(object_store.connect(settings, "executions"))
        await archives.ensure_bucket()
        await artifacts.ensure_bucket()
        await archives.put(SKILL.archive_key, make_zip({"main.py": b"1"}), "application/zip")
        driver, skills = ScriptedDriver(), Skills()
        boxes = WarmPool(driver, PoolLimits(boxes=0, per_profile=0))
        executor = Executor(
            settings,
            pool=pool,
            skills=skills,
            archives=archives,
            artifacts=artifacts,
            driver=driver,
            boxes=boxes,
        )
        await enter(executor.running())
        await executor.recover()
        server = create_server(build_chain(Introspector(), ACCESS))
        add_ExecutionServiceServicer_to_server(
            ExecutionServicer(executor.runs, executor.queries), server
        )
        add_ExecutionRestServiceServicer_to_server(
            ExecutionRestServicer(executor.runs, executor.queries), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        resources.push_async_callback(server.stop, None)
        channel = await enter(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        async with boxes.kept_warm():
            yield Stack(
                ExecutionServiceStub(channel),
                ExecutionRestServiceStub(channel),
                driver,
                skills,
                executor,
                pool,
                settings,
            )
            await executor.worker.close()
        assert not driver.boxes


@pytest.fixture(scope="session")
async def executor_dsn(postgres_server: str) -> AsyncIterator[str]:
    async with parts.database(postgres_server) as dsn:
        await migrate(PACKAGE, dsn, SCHEMA)
        yield dsn


@pytest.fixture
async def settings(executor_dsn: str, s3: parts.S3) -> ExecutorSettings:
    """Settings for replicas on an empty database."""
    connection = await asyncpg.connect(executor_dsn, server_settings={"search_path": SCHEMA})
    try:
        await connection.execute("TRUNCATE executions, replicas, tenants CASCADE")
    finally:
        await connection.close()
    return ExecutorSettings(
        db_dsn=SecretStr(executor_dsn),
        s3_endpoint=s3.endpoint,
        s3_access_key=SecretStr(s3.access_key),
        s3_secret_key=SecretStr(s3.secret_key),
        executor_id="test-executor",
        max_concurrent_execs=2,
        max_queue=2,
        tenant_max_queue=2,
        max_output_size=1024,
        heartbeat=0.1,
        lease=1.5,
        shutdown_grace=0.0,
    )


@pytest.fixture
async def stack(settings: ExecutorSettings) -> AsyncIterator[Stack]:
    async with replica(settings) as stack:
        yield stack
