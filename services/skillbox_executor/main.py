"""Wires the Executor."""

from contextlib import AsyncExitStack

import grpc.aio
from google.protobuf.descriptor import FileDescriptor

from skillbox.auth.v1 import api_key_service_pb2
from skillbox.executor.v1 import (
    execution_rest_pb2,
    execution_rest_pb2_grpc,
    execution_service_pb2,
    execution_service_pb2_grpc,
    readiness_service_pb2,
    readiness_service_pb2_grpc,
)
from skillbox.registry.v1 import skill_rest_pb2, skill_service_pb2
from skillbox_common import db, object_store, server
from skillbox_common.entry import service_main
from skillbox_common.interceptors import build_chain
from skillbox_common.introspection import AuthClient, CachingIntrospector
from skillbox_common.migrate import check_schema
from skillbox_executor.access import ACCESS
from skillbox_executor.bundles import Bundles
from skillbox_executor.commands.queries import Queries
from skillbox_executor.commands.runs import Runs
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.events import EventFeed
from skillbox_executor.notifications import Notifications
from skillbox_executor.pool import PoolLimits, WarmPool
from skillbox_executor.readiness import ReadinessServicer, peer_check
from skillbox_executor.rest import ExecutionRestServicer
from skillbox_executor.sandbox.select import create_driver
from skillbox_executor.servicer import ExecutionServicer
from skillbox_executor.skills import RegistryClient
from skillbox_executor.store.postgres import PostgresExecutionStore

PACKAGE = "skillbox_executor"
SCHEMA = "executor"
_SANDBOX_TRUST_S = 10.0


def _services(*files: FileDescriptor) -> list[str]:
    return [each.full_name for file in files for each in file.services_by_name.values()]


SERVICES = _services(
    execution_service_pb2.DESCRIPTOR,
    execution_rest_pb2.DESCRIPTOR,
    readiness_service_pb2.DESCRIPTOR,
)
# Envoy sends reflection here, so one answer describes all that can be called through it.
PEERS = _services(
    api_key_service_pb2.DESCRIPTOR, skill_service_pb2.DESCRIPTOR, skill_rest_pb2.DESCRIPTOR
)


async def serve(settings: ExecutorSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    async with AsyncExitStack() as stack:
        dsn = settings.db_dsn.get_secret_value()
        pool = await stack.enter_async_context(db.connect(settings, SCHEMA))
        skills = await stack.enter_async_context(
            object_store.connect(settings, settings.s3_bucket_skills)
        )
        artifacts = await stack.enter_async_context(
            object_store.connect(settings, settings.s3_bucket_executions)
        )
        auth = await stack.enter_async_context(grpc.aio.insecure_channel(settings.auth_address))
        registry = await stack.enter_async_context(
            grpc.aio.insecure_channel(settings.registry_address)
        )
        driver = create_driver(settings)
        stack.push_async_callback(driver.close)
        boxes = WarmPool(
            driver,
            PoolLimits(
                boxes=settings.pool_size,
                per_profile=settings.pool_profile_size,
                parallel_starts=settings.pool_parallel_starts,
                idle_s=settings.pool_idle,
                age_s=settings.pool_age,
            ),
        )
        await stack.enter_async_context(boxes.kept_warm())
        store = PostgresExecutionStore(pool)
        runs = Runs(
            settings=settings,
            skills=RegistryClient(registry),
            bundles=Bundles(skills, settings.bundle_cache_size),
            store=store,
            artifacts=artifacts,
            driver=driver,
            boxes=boxes,
        )
        stack.push_async_callback(runs.close)
        notifications = Notifications(dsn, runs.cancel)
        await stack.enter_async_context(notifications.listening())
        queries = Queries(store, EventFeed(store, notifications), artifacts)

        async def postgres() -> None:
            await check_schema(PACKAGE, pool)

        async def recover() -> None:
            await postgres()
            await runs.recover()

        checks = {
            "postgres": postgres,
            "s3": artifacts.check,
            "sandbox": server.remembered(driver.check, _SANDBOX_TRUST_S),
        }
        peers = {"auth": peer_check(auth), "registry": peer_check(registry)}
        grpc_server = server.create_server(
            build_chain(CachingIntrospector(AuthClient(auth)), ACCESS)
        )
        execution_service_pb2_grpc.add_ExecutionServiceServicer_to_server(
            ExecutionServicer(runs, queries), grpc_server
        )
        execution_rest_pb2_grpc.add_ExecutionRestServiceServicer_to_server(
            ExecutionRestServicer(runs, queries), grpc_server
        )
        readiness_service_pb2_grpc.add_ReadinessServiceServicer_to_server(
            ReadinessServicer({**checks, **peers}), grpc_server
        )
        await server.serve(
            grpc_server,
            name="executor",
            listen=settings.listen,
            services=(*SERVICES, *PEERS),
            checks=checks,
            prepare=(artifacts.ensure_bucket, recover),
            grace=settings.shutdown_grace,
        )


def main() -> None:
    """Runs `serve` or `migrate`."""
    service_main(PACKAGE, SCHEMA, ExecutorSettings, serve)
