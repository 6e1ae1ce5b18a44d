"""Wires the Executor."""

from contextlib import AsyncExitStack

from google.protobuf.descriptor import FileDescriptor

from skillbox.auth.v1 import api_key_service_pb2
from skillbox.executor.v1 import (
    dependency_service_pb2_grpc,
    execution_rest_pb2,
    execution_rest_pb2_grpc,
    execution_service_pb2,
    execution_service_pb2_grpc,
    readiness_service_pb2,
    readiness_service_pb2_grpc,
)
from skillbox.registry.v1 import skill_rest_pb2, skill_service_pb2
from skillbox_common import db, object_store, peers, server, shared_cache
from skillbox_common.entry import service_main
from skillbox_common.interceptors import build_chain
from skillbox_common.introspection import AuthClient, CachingIntrospector
from skillbox_common.migrate import check_schema
from skillbox_executor.access import ACCESS
from skillbox_executor.assembly import Executor
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies.servicer import DependencyServicer
from skillbox_executor.plan import default_profile
from skillbox_executor.pool import PoolLimits, WarmPool
from skillbox_executor.readiness import ReadinessServicer, peer_check
from skillbox_executor.rest import ExecutionRestServicer
from skillbox_executor.sandbox.select import create_driver
from skillbox_executor.servicer import ExecutionServicer
from skillbox_executor.skills import RegistryClient
from skillbox_executor.telemetry import observed

PACKAGE = "skillbox_executor"
SCHEMA = "executor"


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
        pool = await stack.enter_async_context(db.connect(settings, SCHEMA))
        skills = await stack.enter_async_context(
            object_store.connect(settings, settings.s3_bucket_skills)
        )
        artifacts = await stack.enter_async_context(
            object_store.connect(settings, settings.s3_bucket_executions)
        )
        auth = await stack.enter_async_context(peers.connect(settings.auth_address))
        registry = await stack.enter_async_context(peers.connect(settings.registry_address))
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
                minimum=settings.pool_profile_min,
            ),
            [default_profile(language, settings) for language in settings.pool_prewarm],
        )
        await stack.enter_async_context(boxes.kept_warm())
        executor = Executor(
            settings,
            pool=pool,
            skills=RegistryClient(registry),
            archives=skills,
            artifacts=artifacts,
            driver=driver,
            boxes=boxes,
        )
        await stack.enter_async_context(executor.running())
        await stack.enter_async_context(observed(boxes, executor.queue, executor.worker))

        async def postgres() -> None:
            await check_schema(PACKAGE, pool)

        async def recover() -> None:
            await postgres()
            await executor.recover()

        checks = {
            "postgres": postgres,
            "s3": artifacts.check,
            "sandbox": executor.engine.check,
        }
        peer_checks = {"auth": peer_check(auth), "registry": peer_check(registry)}
        cache = await stack.enter_async_context(shared_cache.connect(settings))
        introspector = CachingIntrospector(AuthClient(auth), shared=cache)
        stack.callback(introspector.close)
        grpc_server = server.create_server(build_chain(introspector, ACCESS))
        execution_service_pb2_grpc.add_ExecutionServiceServicer_to_server(
            ExecutionServicer(executor.runs, executor.queries), grpc_server
        )
        execution_rest_pb2_grpc.add_ExecutionRestServiceServicer_to_server(
            ExecutionRestServicer(executor.runs, executor.queries), grpc_server
        )
        dependency_service_pb2_grpc.add_DependencyServiceServicer_to_server(
            DependencyServicer(executor.packages.prepare), grpc_server
        )
        readiness_service_pb2_grpc.add_ReadinessServiceServicer_to_server(
            ReadinessServicer({**checks, **peer_checks}), grpc_server
        )
        await server.serve(
            grpc_server,
            name="executor",
            listen=settings.listen,
            services=(*SERVICES, *PEERS),
            checks=checks,
            prepare=(artifacts.ensure_bucket, recover),
            grace=settings.shutdown_grace,
            on_stop=executor.worker.drain,
        )


def main() -> None:
    """Runs `serve` or `migrate`."""
    service_main(PACKAGE, SCHEMA, ExecutorSettings, serve)
