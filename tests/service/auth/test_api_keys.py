"""The life of an API key, through a real service."""

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from skillbox.auth.v1.api_key_service_pb2 import (
    CreateApiKeyRequest,
    ListApiKeysRequest,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
)
from skillbox.auth.v1.introspection_service_pb2 import IntrospectRequest, IntrospectResponse
from skillbox_auth.api_key import digest
from tests.service.auth.conftest import Metadata, Tenants
from tests.support.failures import Failure, failure

if TYPE_CHECKING:
    from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceAsyncStub
    from skillbox.auth.v1.introspection_service_pb2_grpc import IntrospectionServiceAsyncStub


@pytest.fixture
async def admin(tenants: Tenants) -> Metadata:
    return await tenants.caller()


def inactive() -> IntrospectResponse:
    return IntrospectResponse(active=False)


async def test_a_new_key_has_a_secret_and_every_scope_but_admin(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    call = api_keys.CreateApiKey(CreateApiKeyRequest(name="ci"), metadata=admin)
    created = await call
    assert ("x-http-code", "201") in tuple(await call.initial_metadata() or ())
    assert re.fullmatch("sk-[0-9a-f]{48}", created.secret)
    key = created.api_key
    assert key.name == "ci"
    assert created.secret.startswith(key.prefix)
    assert len(key.prefix) == 11
    scopes = ["skills:read", "skills:write", "executions:run", "executions:read"]
    assert list(key.scopes) == scopes
    assert not key.HasField("expires_at")
    assert not key.HasField("revoked_at")
    assert await introspection.Introspect(IntrospectRequest(token=created.secret)) == (
        IntrospectResponse(
            active=True, key_id=key.id, tenant_id=key.tenant_id, scopes=sorted(scopes)
        )
    )


async def test_only_the_hash_of_the_secret_is_stored(
    api_keys: "ApiKeyServiceAsyncStub", tenants: Tenants, admin: Metadata
) -> None:
    created = await api_keys.CreateApiKey(CreateApiKeyRequest(), metadata=admin)
    rows = await tenants.store._pool.fetch("SELECT api_keys::text FROM api_keys")
    dump = "\n".join(row[0] for row in rows)
    assert created.secret[3:] not in dump
    assert digest(created.secret).hex() in dump


async def test_scopes_and_lifetime_are_as_asked(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    request = CreateApiKeyRequest(
        scopes=["executions:read", "skills:read", "skills:read"], ttl=timedelta(days=3650)
    )
    created = await api_keys.CreateApiKey(request, metadata=admin)
    assert list(created.api_key.scopes) == ["skills:read", "executions:read"]
    expires = created.api_key.expires_at.ToDatetime(UTC)
    assert abs(expires - datetime.now(UTC) - timedelta(days=3650)) < timedelta(minutes=1)
    seen = await introspection.Introspect(IntrospectRequest(token=created.secret))
    assert seen.expires_at == created.api_key.expires_at


async def test_a_key_ends_with_its_lifetime(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    request = CreateApiKeyRequest(ttl=timedelta(milliseconds=50))
    created = await api_keys.CreateApiKey(request, metadata=admin)
    await asyncio.sleep(0.06)
    token = IntrospectRequest(token=created.secret)
    assert await introspection.Introspect(token) == inactive()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            CreateApiKeyRequest(scopes=["skills:read", "root"]),
            "scopes: 'root' is not valid: expected one of skills:read, skills:write, "
            "executions:run, executions:read, admin",
        ),
        (CreateApiKeyRequest(name="x" * 129), "name: 'x"),
        (CreateApiKeyRequest(name="a\0b"), "name: 'a\\x00b' is not valid: expected at most 128"),
        (CreateApiKeyRequest(ttl=Duration()), "ttl: '0s' is not valid: expected a duration"),
        (CreateApiKeyRequest(ttl=Duration(seconds=-5)), "ttl: '-5s' is not valid"),
        (CreateApiKeyRequest(ttl=timedelta(days=3650, seconds=1)), "ttl: '3.1536e+08s' is not"),
        (CreateApiKeyRequest(ttl=Duration(seconds=2**62)), "ttl: '4611686018427387904s' is not"),
    ],
)
async def test_what_is_wrong_with_a_new_key_is_said(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata, request_: CreateApiKeyRequest, message: str
) -> None:
    failed = await failure(api_keys.CreateApiKey(request_, metadata=admin))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_ARGUMENT",
    )
    assert failed.message.startswith(message)
    # Nothing was stored but the caller's own key.
    assert len((await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=admin)).api_keys) == 1


async def test_keys_are_listed_page_by_page_newest_first(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata
) -> None:
    for number in range(4):
        await api_keys.CreateApiKey(CreateApiKeyRequest(name=f"{number}"), metadata=admin)
    pages = []
    request = ListApiKeysRequest(page_size=2)
    while True:
        reply = await api_keys.ListApiKeys(request, metadata=admin)
        pages.append([key.name for key in reply.api_keys])
        request.page_token = reply.next_page_token
        if not reply.next_page_token:
            break
    assert pages == [["3", "2"], ["1", "0"], ["caller"]]


async def test_a_full_last_page_has_no_next(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata
) -> None:
    reply = await api_keys.ListApiKeys(ListApiKeysRequest(page_size=1), metadata=admin)
    assert len(reply.api_keys) == 1
    assert reply.next_page_token == ""


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ListApiKeysRequest(page_size=-1), "page_size: -1"),
        (ListApiKeysRequest(page_token="x"), "page_token: 'x'"),
        (ListApiKeysRequest(page_token="WyJ4Il0"), "page_token: 'WyJ4Il0'"),
        # A token that is formed well and names no key of the tenant.
        (
            ListApiKeysRequest(page_token="WyIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAiXQ"),
            "page_token: ",
        ),
    ],
)
async def test_a_page_that_cannot_be_is_refused(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata, request_: ListApiKeysRequest, field: str
) -> None:
    failed = await failure(api_keys.ListApiKeys(request_, metadata=admin))
    assert failed.reason == "INVALID_ARGUMENT"
    assert failed.message.startswith(field)


async def test_a_revoked_key_stops_and_revoking_again_changes_nothing(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    created = await api_keys.CreateApiKey(CreateApiKeyRequest(), metadata=admin)
    token = IntrospectRequest(token=created.secret)
    assert (await introspection.Introspect(token)).active
    request = RevokeApiKeyRequest(id=created.api_key.id)
    first = await api_keys.RevokeApiKey(request, metadata=admin)
    assert first.api_key.HasField("revoked_at")
    assert await introspection.Introspect(token) == inactive()
    again = await api_keys.RevokeApiKey(request, metadata=admin)
    assert again.api_key.revoked_at == first.api_key.revoked_at


async def test_a_revoked_key_is_refused_by_auth_itself_within_seconds(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata, tenants: Tenants
) -> None:
    keys = (await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=admin)).api_keys
    await api_keys.RevokeApiKey(RevokeApiKeyRequest(id=keys[0].id), metadata=admin)
    async with asyncio.timeout(20):
        while True:
            try:
                await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=admin)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED
                return
            await asyncio.sleep(0.1)


async def test_rotation_makes_a_like_key_and_lets_the_old_one_end_after_the_grace(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    created = await api_keys.CreateApiKey(
        CreateApiKeyRequest(name="ci", scopes=["skills:read"], ttl=timedelta(days=1)),
        metadata=admin,
    )
    call = api_keys.RotateApiKey(
        RotateApiKeyRequest(id=created.api_key.id, grace=timedelta(hours=1)), metadata=admin
    )
    rotated = await call
    assert ("x-http-code", "201") in tuple(await call.initial_metadata() or ())
    assert rotated.secret != created.secret
    new, old = rotated.api_key, created.api_key
    assert (new.name, new.scopes, new.expires_at) == (old.name, old.scopes, old.expires_at)
    assert (await introspection.Introspect(IntrospectRequest(token=rotated.secret))).active
    seen = await introspection.Introspect(IntrospectRequest(token=created.secret))
    assert seen.active
    left = seen.expires_at.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)


async def test_rotation_never_lengthens_the_life_of_the_old_key(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    request = CreateApiKeyRequest(ttl=timedelta(minutes=1))
    created = await api_keys.CreateApiKey(request, metadata=admin)
    await api_keys.RotateApiKey(
        RotateApiKeyRequest(id=created.api_key.id, grace=timedelta(days=7)), metadata=admin
    )
    seen = await introspection.Introspect(IntrospectRequest(token=created.secret))
    assert seen.expires_at == created.api_key.expires_at


async def test_without_grace_the_old_key_ends_at_once(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    created = await api_keys.CreateApiKey(CreateApiKeyRequest(), metadata=admin)
    await api_keys.RotateApiKey(RotateApiKeyRequest(id=created.api_key.id), metadata=admin)
    token = IntrospectRequest(token=created.secret)
    assert await introspection.Introspect(token) == inactive()


async def test_of_many_rotations_of_one_key_one_wins(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata
) -> None:
    created = await api_keys.CreateApiKey(CreateApiKeyRequest(), metadata=admin)
    request = RotateApiKeyRequest(id=created.api_key.id, grace=timedelta(hours=1))
    outcomes = await asyncio.gather(
        *(api_keys.RotateApiKey(request, metadata=admin) for _ in range(5)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert len(refused) == 4
    assert {error.code() for error in refused} == {grpc.StatusCode.INVALID_ARGUMENT}
    listed = await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=admin)
    assert len(listed.api_keys) == 3


@pytest.mark.parametrize("grace", [Duration(seconds=-1), Duration(seconds=7 * 86400 + 1)])
async def test_a_grace_out_of_bounds_is_refused(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata, grace: Duration
) -> None:
    request = RotateApiKeyRequest(id=str(uuid.uuid4()), grace=grace)
    failed = await failure(api_keys.RotateApiKey(request, metadata=admin))
    assert failed.reason == "INVALID_ARGUMENT"
    assert failed.message.startswith("grace: ")


async def test_a_revoked_key_cannot_be_rotated(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata
) -> None:
    key_id = (await api_keys.CreateApiKey(CreateApiKeyRequest(), metadata=admin)).api_key.id
    await api_keys.RevokeApiKey(RevokeApiKeyRequest(id=key_id), metadata=admin)
    failed = await failure(api_keys.RotateApiKey(RotateApiKeyRequest(id=key_id), metadata=admin))
    assert failed.message.startswith(f"id: '{key_id}' is not valid: expected a key that works")


async def test_keys_of_other_tenants_do_not_exist(
    api_keys: "ApiKeyServiceAsyncStub", admin: Metadata, tenants: Tenants
) -> None:
    stranger = await tenants.caller()
    mine = (await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=admin)).api_keys
    theirs = (await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=stranger)).api_keys
    assert len(mine) == len(theirs) == 1
    assert mine[0].tenant_id != theirs[0].tenant_id
    for key_id in (theirs[0].id, str(uuid.uuid4()), "no-uuid", "\0"):
        expected = Failure(
            grpc.StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND", f"API key not found: {key_id}"
        )
        revoke = RevokeApiKeyRequest(id=key_id)
        assert await failure(api_keys.RevokeApiKey(revoke, metadata=admin)) == expected
        rotate = RotateApiKeyRequest(id=key_id)
        assert await failure(api_keys.RotateApiKey(rotate, metadata=admin)) == expected
    # The stranger's key still works.
    await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=stranger)


async def test_the_last_use_shows_up(
    api_keys: "ApiKeyServiceAsyncStub",
    introspection: "IntrospectionServiceAsyncStub",
    admin: Metadata,
) -> None:
    created = await api_keys.CreateApiKey(CreateApiKeyRequest(), metadata=admin)
    assert not created.api_key.HasField("last_used_at")
    used_after = datetime.now(UTC)
    await introspection.Introspect(IntrospectRequest(token=created.secret))
    async with asyncio.timeout(20):
        while True:
            listed = await api_keys.ListApiKeys(ListApiKeysRequest(), metadata=admin)
            if listed.api_keys[0].HasField("last_used_at"):
                break
            await asyncio.sleep(0.1)
    assert used_after <= listed.api_keys[0].last_used_at.ToDatetime(UTC) <= datetime.now(UTC)


async def test_an_id_is_required(api_keys: "ApiKeyServiceAsyncStub", admin: Metadata) -> None:
    failed = await failure(api_keys.RevokeApiKey(RevokeApiKeyRequest(), metadata=admin))
    assert (failed.reason, failed.message) == ("INVALID_ARGUMENT", "'id' is required")
