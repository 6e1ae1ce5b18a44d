"""Who gets in, seen from outside."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

from skillbox.auth.v1.api_key_service_pb2 import CreateApiKeyRequest, ListApiKeysRequest
from skillbox.auth.v1.fallback_rest_pb2 import UnknownPathRestRequest
from skillbox.auth.v1.fallback_rest_pb2_grpc import FallbackRestServiceStub
from tests.service.auth.conftest import BOOTSTRAP_KEY, BOOTSTRAP_TENANT, Metadata, Tenants
from tests.support.failures import Failure, failure

if TYPE_CHECKING:
    from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceAsyncStub

MISSING = "missing Authorization header"
INVALID = "invalid or revoked API key"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ((), MISSING),
        ((("authorization", "Basic abc"),), "Authorization header must use Bearer scheme"),
        ((("authorization", "Bearer"),), "Authorization header must use Bearer scheme"),
        ((("authorization", "Bearer "),), "empty bearer token"),
        ((("authorization", f"Bearer sk-{'0' * 48}"),), INVALID),
        ((("authorization", f"Bearer {BOOTSTRAP_KEY}x"),), INVALID),
        ((("authorization", "Bearer " + "x" * 4000),), INVALID),
    ],
)
async def test_nobody_gets_in_without_a_key(
    api_keys: "ApiKeyServiceAsyncStub", metadata: Metadata, message: str
) -> None:
    # An invalid request: who has no key learns nothing about its validity.
    call = api_keys.ListApiKeys(ListApiKeysRequest(page_size=-1), metadata=metadata)
    assert await failure(call) == Failure(
        grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", message
    )


async def test_an_expired_key_is_refused(
    api_keys: "ApiKeyServiceAsyncStub", tenants: Tenants
) -> None:
    caller = await tenants.caller(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    failed = await failure(api_keys.ListApiKeys(ListApiKeysRequest(), metadata=caller))
    assert (failed.reason, failed.message) == ("UNAUTHENTICATED", INVALID)


async def test_the_scheme_compares_without_case_and_the_right_tenant_is_let_in(
    api_keys: "ApiKeyServiceAsyncStub",
) -> None:
    metadata = (("authorization", f"bEARER {BOOTSTRAP_KEY}"), ("x-tenant-id", BOOTSTRAP_TENANT))
    reply = await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=metadata)
    assert {key.tenant_id for key in reply.api_keys} == {BOOTSTRAP_TENANT}


async def test_another_tenant_in_the_header_is_forbidden(
    api_keys: "ApiKeyServiceAsyncStub",
) -> None:
    metadata = (("authorization", f"Bearer {BOOTSTRAP_KEY}"), ("x-tenant-id", "other"))
    assert await failure(api_keys.ListApiKeys(ListApiKeysRequest(), metadata=metadata)) == Failure(
        grpc.StatusCode.PERMISSION_DENIED,
        "TENANT_MISMATCH",
        "X-Tenant-ID header does not match the API key's tenant",
    )


async def test_a_missing_scope_is_named(
    api_keys: "ApiKeyServiceAsyncStub", tenants: Tenants
) -> None:
    caller = await tenants.caller(scopes=["skills:write", "executions:run"])
    call = api_keys.CreateApiKey(CreateApiKeyRequest(scopes=["admin"]), metadata=caller)
    assert await failure(call) == Failure(
        grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING", "the API key lacks the scope admin"
    )


async def test_the_fallback_tells_known_callers_that_there_is_nothing(
    channel: grpc.aio.Channel, tenants: Tenants
) -> None:
    fallback = FallbackRestServiceStub(channel)
    caller = await tenants.caller(scopes=["executions:run"])
    for metadata, expected in (
        (
            caller,
            Failure(grpc.StatusCode.NOT_FOUND, "PATH_NOT_FOUND", "no such method and path"),
        ),
        ((), Failure(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", MISSING)),
    ):
        call = fallback.UnknownPathRest(UnknownPathRestRequest(), metadata=metadata)
        assert await failure(call) == expected


async def test_what_is_no_message_is_refused_after_the_key(
    channel: grpc.aio.Channel, tenants: Tenants
) -> None:
    revoke = channel.unary_unary("/skillbox.auth.v1.ApiKeyService/RevokeApiKey", bytes, bytes)
    not_utf8 = b"\x0a\x01\xff"
    assert (await failure(revoke(not_utf8))).message == MISSING
    assert await failure(revoke(not_utf8, metadata=await tenants.caller())) == Failure(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_ARGUMENT",
        "the request cannot be read: text has to be UTF-8",
    )
