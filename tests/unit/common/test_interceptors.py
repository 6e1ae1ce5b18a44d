"""The order of the chain, and who gets past authentication."""

from typing import cast

import grpc.aio
import pytest

from skillbox_common.errors import InternalError, Unauthenticated
from skillbox_common.interceptors import build_chain
from skillbox_common.interceptors.around import Call
from skillbox_common.interceptors.authentication import (
    Access,
    AuthenticationInterceptor,
    Public,
    bearer_token,
)
from skillbox_common.interceptors.errors import ErrorInterceptor
from skillbox_common.interceptors.request_context import RequestContextInterceptor
from skillbox_common.interceptors.required_fields import RequiredFieldsInterceptor
from skillbox_common.principal import Principal, Scope


class Nobody:
    async def introspect(self, token: str) -> Principal | None:
        return None


def test_the_order_of_the_chain() -> None:
    assert [type(interceptor) for interceptor in build_chain(Nobody(), {})] == [
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

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()


def call(method: str) -> Call:
    return Call(method, cast("grpc.aio.ServicerContext[object, object]", Context()), None)


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
