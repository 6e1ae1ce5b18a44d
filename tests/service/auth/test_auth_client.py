"""How the other services ask Auth."""

from datetime import UTC, datetime, timedelta

import grpc.aio
import pytest

from skillbox_common.errors import DependencyUnavailable
from skillbox_common.introspection import AuthClient
from tests.service.auth.conftest import Tenants
from tests.support.parts import free_port


async def test_a_token_is_turned_into_its_principal(
    channel: grpc.aio.Channel, tenants: Tenants
) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    caller = await tenants.caller("acme", ["skills:read", "executions:run"], expires_at)
    token = caller[0][1].removeprefix("Bearer ")
    principal = await AuthClient(channel).introspect(token)
    assert principal is not None
    assert principal.tenant_id == "acme"
    assert principal.scopes == {"skills:read", "executions:run"}
    assert principal.expires_at == expires_at
    assert principal.token == token


@pytest.mark.parametrize("token", ["sk-unknown", "x" * 100_000])
async def test_an_unknown_token_is_nobody(channel: grpc.aio.Channel, token: str) -> None:
    assert await AuthClient(channel).introspect(token) is None


async def test_without_auth_nobody_can_tell() -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{free_port()}") as channel:
        with pytest.raises(DependencyUnavailable):
            await AuthClient(channel).introspect("sk-unknown")
