"""Wires the Auth service together."""

from contextlib import AsyncExitStack

from skillbox.auth.v1 import (
    api_key_service_pb2,
    fallback_rest_pb2,
    introspection_service_pb2,
)
from skillbox.auth.v1.api_key_service_pb2_grpc import add_ApiKeyServiceServicer_to_server
from skillbox.auth.v1.fallback_rest_pb2_grpc import add_FallbackRestServiceServicer_to_server
from skillbox.auth.v1.introspection_service_pb2_grpc import (
    add_IntrospectionServiceServicer_to_server,
)
from skillbox_auth.access import ACCESS
from skillbox_auth.commands.bootstrap import bootstrap
from skillbox_auth.commands.introspect import StoreIntrospector
from skillbox_auth.config import Settings
from skillbox_auth.last_use import LastUse
from skillbox_auth.servicer import ApiKeyServicer, FallbackRestServicer, IntrospectionServicer
from skillbox_auth.store.postgres import PostgresApiKeyStore
from skillbox_common import db, server
from skillbox_common.entry import service_main
from skillbox_common.interceptors import build_chain
from skillbox_common.introspection import CachingIntrospector
from skillbox_common.migrate import check_schema

SCHEMA = "auth"
SERVICES = (
    api_key_service_pb2.DESCRIPTOR.services_by_name["ApiKeyService"].full_name,
    fallback_rest_pb2.DESCRIPTOR.services_by_name["FallbackRestService"].full_name,
    introspection_service_pb2.DESCRIPTOR.services_by_name["IntrospectionService"].full_name,
)
# The key is at hand, so that remembering only has to bear bursts of calls.
_CACHE_S = 1.0


def main() -> None:
    """Runs `serve` or `migrate`."""
    service_main("skillbox_auth", SCHEMA, Settings, serve)


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(db.connect(settings, SCHEMA))
        store = PostgresApiKeyStore(pool)
        last_use = LastUse(store)
        await stack.enter_async_context(last_use.running())
        introspector = StoreIntrospector(store, last_use)
        remembered = CachingIntrospector(introspector, ttl=_CACHE_S)
        stack.callback(remembered.close)

        grpc_server = server.create_server(build_chain(remembered, ACCESS))
        add_ApiKeyServiceServicer_to_server(ApiKeyServicer(store), grpc_server)
        add_FallbackRestServiceServicer_to_server(FallbackRestServicer(), grpc_server)
        add_IntrospectionServiceServicer_to_server(IntrospectionServicer(introspector), grpc_server)

        async def postgres() -> None:
            await check_schema("skillbox_auth", pool)

        async def bootstrap_key() -> None:
            if settings.bootstrap_api_key is not None:
                await postgres()
                await bootstrap(
                    store,
                    tenant_id=settings.bootstrap_tenant,
                    secret=settings.bootstrap_api_key.get_secret_value(),
                )

        await server.serve(
            grpc_server,
            name="auth",
            listen=settings.listen,
            services=SERVICES,
            checks={"postgres": postgres},
            prepare=[bootstrap_key],
            grace=settings.shutdown_grace,
        )
