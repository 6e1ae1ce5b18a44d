"""Wires the Registry together."""

from contextlib import AsyncExitStack

import grpc.aio

from skillbox.registry.v1 import resolver_service_pb2, skill_rest_pb2, skill_service_pb2
from skillbox.registry.v1.resolver_service_pb2_grpc import add_ResolverServiceServicer_to_server
from skillbox.registry.v1.skill_rest_pb2_grpc import add_SkillRestServiceServicer_to_server
from skillbox.registry.v1.skill_service_pb2_grpc import add_SkillServiceServicer_to_server
from skillbox_common import db, object_store, peers, server, shared_cache
from skillbox_common.entry import service_main
from skillbox_common.interceptors import build_chain
from skillbox_common.introspection import AuthClient, CachingIntrospector
from skillbox_common.migrate import check_schema
from skillbox_common.tasks import background, repeatedly
from skillbox_registry.access import ACCESS
from skillbox_registry.commands.prepare_dependencies import PrepareDependencies
from skillbox_registry.commands.sweep_archives import SweepArchives
from skillbox_registry.commands.upload_skill import UploadSkill
from skillbox_registry.config import Settings
from skillbox_registry.installer import ExecutorClient
from skillbox_registry.servicer import ResolverServicer, SkillRestServicer, SkillServicer
from skillbox_registry.store.archives import PostgresArchives
from skillbox_registry.store.cached import CachedSkillStore
from skillbox_registry.store.dependencies import PostgresDependencyReports
from skillbox_registry.store.interface import ArchiveList, ArchiveStore, SkillStore, UploadKeys
from skillbox_registry.store.postgres import PostgresSkillStore
from skillbox_registry.store.upload_keys import PostgresUploadKeys

PACKAGE = "skillbox_registry"
SCHEMA = "registry"
SERVICES = (
    skill_service_pb2.DESCRIPTOR.services_by_name["SkillService"].full_name,
    skill_rest_pb2.DESCRIPTOR.services_by_name["SkillRestService"].full_name,
    resolver_service_pb2.DESCRIPTOR.services_by_name["ResolverService"].full_name,
)


def main() -> None:
    """Runs `serve` or `migrate`."""
    service_main(PACKAGE, SCHEMA, Settings, serve)


def add_servicers(
    grpc_server: grpc.aio.Server,
    settings: Settings,
    skills: SkillStore,
    archives: ArchiveStore,
    *,
    keys: UploadKeys,
    known: ArchiveList,
    dependencies: PrepareDependencies,
) -> None:
    """Adds the three services to a server."""
    upload = UploadSkill(
        skills,
        archives,
        keys,
        known,
        limits=settings.limits,
        max_size=settings.max_skill_size,
        immutable=settings.immutable_versions,
    )
    add_SkillServiceServicer_to_server(
        SkillServicer(upload, skills, archives, dependencies), grpc_server
    )
    add_SkillRestServiceServicer_to_server(
        SkillRestServicer(upload, skills, archives, dependencies), grpc_server
    )
    add_ResolverServiceServicer_to_server(ResolverServicer(skills), grpc_server)


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(db.connect(settings, SCHEMA))
        archives = await stack.enter_async_context(
            object_store.connect(settings, settings.s3_bucket_skills)
        )
        auth = await stack.enter_async_context(peers.connect(settings.auth_address))
        cache = await stack.enter_async_context(shared_cache.connect(settings))
        introspector = CachingIntrospector(AuthClient(auth), shared=cache)
        stack.callback(introspector.close)
        grpc_server = server.create_server(build_chain(introspector, ACCESS))
        skills: SkillStore = PostgresSkillStore(pool)
        if cache is not None:
            skills = CachedSkillStore(skills, cache)
        keys = PostgresUploadKeys(pool, settings.idempotency_ttl)
        executor = await stack.enter_async_context(peers.connect(settings.executor_address))
        dependencies = PrepareDependencies(
            PostgresDependencyReports(pool), ExecutorClient(executor)
        )
        stack.push_async_callback(dependencies.close)
        known = PostgresArchives(pool)
        sweep = SweepArchives(known, archives, unneeded_s=settings.unneeded_archives)
        sweeping = repeatedly(sweep, settings.sweep_interval, "sweep archives")
        await stack.enter_async_context(background(sweeping))
        add_servicers(
            grpc_server,
            settings,
            skills,
            archives,
            keys=keys,
            known=known,
            dependencies=dependencies,
        )

        async def postgres() -> None:
            await check_schema(PACKAGE, pool)

        await server.serve(
            grpc_server,
            name="registry",
            listen=settings.listen,
            services=SERVICES,
            checks={"postgres": postgres, "s3": archives.check},
            prepare=[archives.ensure_bucket],
            grace=settings.shutdown_grace,
        )
