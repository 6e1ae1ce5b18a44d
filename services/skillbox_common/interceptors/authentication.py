"""Lets nobody in without a key, and nobody further than the key's scopes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum

import structlog

from skillbox_common.errors import (
    InternalError,
    ScopeMissing,
    TenantMismatch,
    Unauthenticated,
)
from skillbox_common.interceptors.around import AroundInterceptor, Call
from skillbox_common.introspection import Introspector
from skillbox_common.principal import Principal, Scope, set_principal
from skillbox_common.telemetry import tracing

_log = structlog.get_logger(__name__)


class Public(Enum):
    """Marks a method that needs no key."""

    PUBLIC = "public"


class Authenticated(Enum):
    """Marks a method that any valid key may call, whatever its scopes."""

    AUTHENTICATED = "authenticated"


Access = Scope | Authenticated | Public
"""What a method asks of its caller."""

INFRASTRUCTURE: Mapping[str, Access] = {
    "/grpc.health.v1.Health/Check": Public.PUBLIC,
    "/grpc.health.v1.Health/Watch": Public.PUBLIC,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Public.PUBLIC,
}
"""Methods that every service has; they tell nothing about tenants."""


class AuthenticationInterceptor(AroundInterceptor):
    """Checks the bearer token, the tenant header and the scope, in this order.

    Args:
        introspector: Knows whom a token stands for.
        access: Full method name to what it asks for. A method that is not listed is refused.
    """

    def __init__(self, introspector: Introspector, access: Mapping[str, Access]) -> None:
        super().__init__()
        self._introspector = introspector
        self._access = {**INFRASTRUCTURE, **access}

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        access = self._access.get(call.method)
        if access is None:
            _log.error("method has no entry in the access table", method=call.method)
            raise InternalError()
        if not isinstance(access, Public):
            principal = await self._authenticate(call)
            if isinstance(access, Scope) and not principal.may(access):
                raise ScopeMissing(f"the API key lacks the scope {access.value}")
            set_principal(principal)
            tracing.bind(tenant_id=principal.tenant_id, key_id=principal.key_id)
        yield

    async def _authenticate(self, call: Call) -> Principal:
        token = bearer_token(call.metadata("authorization"))
        principal = await self._introspector.introspect(token)
        if principal is None:
            raise Unauthenticated("invalid or revoked API key")
        tenant = call.metadata("x-tenant-id")
        if tenant is not None and tenant != principal.tenant_id:
            raise TenantMismatch("X-Tenant-ID header does not match the API key's tenant")
        return principal


def bearer_token(header: str | None) -> str:
    """Takes the token out of an `Authorization` header.

    Raises:
        Unauthenticated: The header is missing, has another scheme or an empty token.
    """
    if header is None:
        raise Unauthenticated("missing Authorization header")
    scheme, space, token = header.partition(" ")
    if scheme.lower() != "bearer" or not space:
        raise Unauthenticated("Authorization header must use Bearer scheme")
    token = token.strip()
    if not token:
        raise Unauthenticated("empty bearer token")
    return token
