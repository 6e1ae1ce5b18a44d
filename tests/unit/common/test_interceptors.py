"""The order of the chain, and who gets past authentication."""

from typing import cast

import grpc.aio
import pytest

from skillbox_common.errors import (
    InternalError,
    ScopeMissing,
    SkillboxError,
    TenantMismatch,
    Unauthenticated,
)
from skillbox_common.interceptors import build_chain
from skillbox_common.interceptors.around import Call
from skillbox_common.interceptors.authentication import (
    Access,
    Authenticated,
    AuthenticationInterceptor,
    Public,
    bearer_token,
)
from skillbox_common.interceptors.errors import ErrorInterceptor
from skillbox_common.interceptors.request_context import RequestContextInterceptor
from skillbox_common.interceptors.required_fields import RequiredFieldsInterceptor
from skillbox_common.interceptors.telemetry import TelemetryInterceptor
from skillbox_common.principal import Principal, Scope


class Nobody:
    async def introspect(self, token: str) -> Principal | None:
        return None


def test_the_order_of_the_chain() -> None:
    assert [type(interceptor) for interceptor in build_chain(Nobody(), {})] == [
        TelemetryInterceptor,
        RequestContextInterceptor,
        ErrorInterceptor,
        AuthenticationInterceptor,
        RequiredFieldsInterceptor,
    ]


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer sk-1", "sk-1"),
        ("bearer sk-1", "sk-1"),
        ("BEARER sk-1", "sk-1"),
        ("Bearer  sk-1 ", "sk-1"),
        ("Bearer a b", "a b"),
    ],
)
def test_the_token_of_a_header(header: str, token: str) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "missing Authorization header"),
        ("", "Authorization header must use Bearer scheme"),
        ("Bearer", "Authorization header must use Bearer scheme"),
        ("Bearersk-1", "Authorization header must use Bearer scheme"),
        ("Bearer\tsk-1", "Authorization header must use Bearer scheme"),
        (" Bearer sk-1", "Authorization header must use Bearer scheme"),
        ("Basic sk-1", "Authorization header must use Bearer scheme"),
        ("sk-1", "Authorization header must use Bearer scheme"),
        ("Bearer ", "empty bearer token"),
        ("Bearer    ", "empty bearer token"),
    ],
)
def test_a_header_without_a_token(header: str | None, message: str) -> None:
    with pytest.raises(Unauthenticated) as raised:
        bearer_token(header)
    assert raised.value.message == message


class Context:
    """The part of a servicer context that authentication reads."""

    def __init__(self, metadata: dict[str, str]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return tuple(self._metadata.items())


def call(method: str, metadata: dict[str, str] | None = None) -> Call:
    context = cast("grpc.aio.ServicerContext[object, object]", Context(metadata or {}))
    return Call(method, context, None)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("/a.B/Public", None),
        ("/grpc.health.v1.Health/Check", None),
        ("/a.B/Scoped", Unauthenticated),
        ("/a.B/Unlisted", InternalError),
        ("/a.B/public", InternalError),
    ],
)
async def test_what_is_not_in_the_table_is_closed(
    method: str, error: type[Exception] | None
) -> None:
    access: dict[str, Access] = {"/a.B/Public": Public.PUBLIC, "/a.B/Scoped": Scope.SKILLS_READ}
    interceptor = AuthenticationInterceptor(Nobody(), access)
    if error is None:
        async with interceptor.around(call(method)):
            return
    with pytest.raises(error):
        async with interceptor.around(call(method)):
            raise AssertionError("the handler ran")


class OneReader:
    """Knows the key `sk-1`, which may read skills."""

    async def introspect(self, token: str) -> Principal | None:
        if token != "sk-1":
            return None
        return Principal(key_id="1", tenant_id="one", scopes=frozenset({Scope.SKILLS_READ}))


@pytest.mark.parametrize(
    ("access", "metadata", "error"),
    [
        (Scope.SKILLS_READ, {"authorization": "Bearer sk-1"}, None),
        (Scope.SKILLS_WRITE, {"authorization": "Bearer sk-1"}, ScopeMissing),
        (Authenticated.AUTHENTICATED, {"authorization": "Bearer sk-1"}, None),
        (Authenticated.AUTHENTICATED, {"authorization": "Bearer sk-2"}, Unauthenticated),
        (Authenticated.AUTHENTICATED, {}, Unauthenticated),
        (
            Authenticated.AUTHENTICATED,
            {"authorization": "Bearer sk-1", "x-tenant-id": "two"},
            TenantMismatch,
        ),
        (Public.PUBLIC, {"authorization": "Bearer sk-2", "x-tenant-id": "two"}, None),
    ],
)
async def test_what_a_method_asks_of_its_caller(
    access: Access, metadata: dict[str, str], error: type[SkillboxError] | None
) -> None:
    around = AuthenticationInterceptor(OneReader(), {"/a.B/C": access}).around
    if error is None:
        async with around(call("/a.B/C", metadata)):
            return
    with pytest.raises(error):
        async with around(call("/a.B/C", metadata)):
            raise AssertionError("the handler ran")
