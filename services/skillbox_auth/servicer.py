"""gRPC servicers of Auth: they convert and delegate."""

from typing import Any

import grpc.aio
from google.api.httpbody_pb2 import HttpBody

from skillbox.auth.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    ListApiKeysRequest,
    ListApiKeysResponse,
    RevokeApiKeyRequest,
    RevokeApiKeyResponse,
    RotateApiKeyRequest,
    RotateApiKeyResponse,
)
from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceServicer
from skillbox.auth.v1.fallback_rest_pb2 import UnknownPathRestRequest
from skillbox.auth.v1.fallback_rest_pb2_grpc import FallbackRestServiceServicer
from skillbox.auth.v1.introspection_service_pb2 import IntrospectRequest, IntrospectResponse
from skillbox.auth.v1.introspection_service_pb2_grpc import IntrospectionServiceServicer
from skillbox_auth.commands.create_api_key import create_api_key
from skillbox_auth.commands.list_api_keys import list_api_keys
from skillbox_auth.commands.revoke_api_key import revoke_api_key
from skillbox_auth.commands.rotate_api_key import rotate_api_key
from skillbox_auth.convert import to_api_key, to_introspect_response, to_timedelta
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_common.errors import PathNotFound
from skillbox_common.introspection import Introspector
from skillbox_common.principal import current_principal
from skillbox_common.rest import set_http_status

Context = grpc.aio.ServicerContext[Any, Any]


class ApiKeyServicer(ApiKeyServiceServicer):
    def __init__(self, store: ApiKeyStore) -> None:
        self._store = store

    async def CreateApiKey(
        self, request: CreateApiKeyRequest, context: Context
    ) -> CreateApiKeyResponse:
        issued = await create_api_key(
            self._store,
            tenant_id=current_principal().tenant_id,
            name=request.name,
            scopes=request.scopes,
            ttl=to_timedelta("ttl", request.ttl) if request.HasField("ttl") else None,
        )
        await set_http_status(context, 201)
        return CreateApiKeyResponse(api_key=to_api_key(issued.key), secret=issued.secret)

    async def ListApiKeys(
        self, request: ListApiKeysRequest, context: Context
    ) -> ListApiKeysResponse:
        keys, next_page_token = await list_api_keys(
            self._store,
            tenant_id=current_principal().tenant_id,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return ListApiKeysResponse(api_keys=map(to_api_key, keys), next_page_token=next_page_token)

    async def RevokeApiKey(
        self, request: RevokeApiKeyRequest, context: Context
    ) -> RevokeApiKeyResponse:
        key = await revoke_api_key(
            self._store, tenant_id=current_principal().tenant_id, key_id=request.id
        )
        return RevokeApiKeyResponse(api_key=to_api_key(key))

    async def RotateApiKey(
        self, request: RotateApiKeyRequest, context: Context
    ) -> RotateApiKeyResponse:
        issued = await rotate_api_key(
            self._store,
            tenant_id=current_principal().tenant_id,
            key_id=request.id,
            grace=to_timedelta("grace", request.grace),
        )
        await set_http_status(context, 201)
        return RotateApiKeyResponse(api_key=to_api_key(issued.key), secret=issued.secret)


class FallbackRestServicer(FallbackRestServiceServicer):
    async def UnknownPathRest(self, request: UnknownPathRestRequest, context: Context) -> HttpBody:
        raise PathNotFound("no such method and path")


class IntrospectionServicer(IntrospectionServiceServicer):
    def __init__(self, introspector: Introspector) -> None:
        self._introspector = introspector

    async def Introspect(self, request: IntrospectRequest, context: Context) -> IntrospectResponse:
        return to_introspect_response(await self._introspector.introspect(request.token))
