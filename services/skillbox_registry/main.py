"""Wires the Registry together."""

from contextlib import AsyncExitStack

import grpc.aio

from skillbox.registry.v1 import resolver_service_pb2, skill_rest_pb2, skill_service_pb2
from skillbox.registry.v1.resolver_service_pb2_grpc import add_ResolverServiceServicer_to_server
from skillbox.registry.v1.skill_rest_pb2_grpc import add_SkillRestServiceServicer_to_server
from skillbox.registry.v1.skill_service_pb2_grpc import add_SkillServiceServicer_to_server
from skillbox_common import db, object_store, server
from skillbox_common.entry import service_main
from skillbox_common.interceptors import build_chain
from skillbox_common.introspection import AuthClient, CachingIntrospector
from skillbox_common.migrate import check_schema
from skillbox_registry.access import ACCESS
from skillbox_registry.commands.upload_skill import UploadSkill
from skillbox_registry.config import Settings
from skillbox_registry.servicer import ResolverServicer, SkillRestServicer, SkillServicer
from skillbox_registry.store.interface import ArchiveStore
from skillbox_registry.store.postgres import PostgresSkillStore

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
    grpc_server: grpc.aio.Server, settings: Settings, pool: "db.Pool", archives: ArchiveStore
) -> None:
    """Adds the three services to a server."""
    skills = PostgresSkillStore(pool)
    upload = UploadSkill(
        skills,
        archives,
        limits=settings.limits,
        max_size=settings.max_skill_size,
        immutable=settings.immutable_versions,
    )
    add_SkillServiceServicer_to_server(SkillServicer(upload, skills, archives), grpc_server)
    add_SkillRestServiceServicer_to_server(SkillRestServicer(upload, skills, archives), grpc_server)
    add_ResolverServiceServicer_to_server(ResolverServicer(skills), grpc_server)


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(db.connect(settings, SCHEMA))
        archives = await stack.enter_async_context(
            object_store.connect(settings, settings.s3_bucket_skills)
        )
        auth = await stack.enter_async_context(grpc.aio.insecure_channel(settings.auth_address))
        introspector = CachingIntrospector(AuthClient(auth))
        grpc_server = server.create_server(build_chain(introspector, ACCESS))
        add_servicers(grpc_server, settings, pool, archives)

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
