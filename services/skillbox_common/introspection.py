"""Asks Auth whom a token stands for, and remembers the answer for seconds."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import grpc
import grpc.aio
import msgspec

from skillbox.auth.v1.introspection_service_pb2 import IntrospectRequest
from skillbox.auth.v1.introspection_service_pb2_grpc import IntrospectionServiceStub
from skillbox_common.errors import DependencyUnavailable
from skillbox_common.principal import Principal
from skillbox_common.shared_cache import Cache

if TYPE_CHECKING:
    from skillbox.auth.v1.introspection_service_pb2_grpc import IntrospectionServiceAsyncStub

_KIND = "principal"
_MAX_TOKEN = 512
# Who calls every few seconds need not wait for Auth each time. Few tokens are renewed, so
# that Auth never has much to do for callers who have left.
_RENEWED_FOR_S = 10.0
_RENEWED_TOKENS = 32
_DEADLINE_S = 5.0


class Introspector(Protocol):
    """Knows whom a bearer token stands for."""

    async def introspect(self, token: str) -> Principal | None:
        """Returns the principal, or `None` for a token that may not be used.

        Raises:
            DependencyUnavailable: Nobody can tell at the moment.
        """
        ...


class AuthClient:
    """Introspects through the Auth service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: IntrospectionServiceAsyncStub = IntrospectionServiceStub(channel)

    async def introspect(self, token: str) -> Principal | None:
        if len(token) > _MAX_TOKEN:
            return None
        try:
            reply = await self._stub.Introspect(IntrospectRequest(token=token), timeout=_DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise DependencyUnavailable("the Auth service does not answer") from error
        if not reply.active:
            return None
        return Principal(
            key_id=reply.key_id,
            tenant_id=reply.tenant_id,
            scopes=frozenset(reply.scopes),
            token=token,
            expires_at=reply.expires_at.ToDatetime(UTC) if reply.HasField("expires_at") else None,
        )


class CachingIntrospector:
    """Remembers the answers of another introspector.

    A revoked key works for at most `ttl` seconds longer. Tokens are remembered by digest, at
    most `size` of them; concurrent questions about one token are asked once. An answer about a
    token that was used a moment ago is renewed before its time is over.

    Args:
        shared: Answers of other replicas; an answer gets no older by going through it.
    """

    def __init__(
        self,
        inner: Introspector,
        ttl: float = 2.0,
        size: int = 10_000,
        shared: Cache | None = None,
    ) -> None:
        self._inner = inner
        self._ttl = ttl
        self._size = size
        self._shared = shared
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._pending: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._renewals: dict[bytes, asyncio.TimerHandle] = {}

    def close(self) -> None:
        """Asks nobody any more."""
        for digest in list(self._renewals):
            self._forget_renewal(digest)
        for task in self._pending.values():
            task.cancel()

    async def introspect(self, token: str) -> Principal | None:
        digest = hashlib.sha256(token.encode()).digest()
        now = time.monotonic()
        entry = self._entries.get(digest)
        if entry is not None and entry.until > now:
            entry.used = now
            return _unless_expired(entry.principal)
        return _unless_expired(await asyncio.shield(self._asking(digest, token, now)))

    def _asking(
        self, digest: bytes, token: str, used: float, *, renewal: bool = False
    ) -> "asyncio.Task[Principal | None]":
        task = self._pending.get(digest)
        if task is None:
            task = asyncio.create_task(self._ask(digest, token, used, renewal))
            self._pending[digest] = task
            task.add_done_callback(lambda done: self._settle(digest, done))
        return task

    def _settle(self, digest: bytes, task: "asyncio.Task[Principal | None]") -> None:
        del self._pending[digest]
        # Callers who went away do not look at a failure, and asyncio would complain.
        if not task.cancelled():
            task.exception()

    async def _ask(self, digest: bytes, token: str, used: float, renewal: bool) -> Principal | None:
        principal, seconds = await self._answer(token)
        if principal is None and renewal:
            # Nobody has been refused yet: whoever comes next is told what is true then.
            self._entries.pop(digest, None)
            return None
        now = time.monotonic()
        if (before := self._entries.get(digest)) is not None:
            used = max(used, before.used)
        self._entries[digest] = _Entry(now + seconds, principal, used)
        self._entries.move_to_end(digest)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)
        recent = now - used < _RENEWED_FOR_S
        if principal is not None and recent and len(self._renewals) < _RENEWED_TOKENS:
            self._forget_renewal(digest)
            self._renewals[digest] = asyncio.get_running_loop().call_later(
                seconds * 0.75, self._renew, digest, token
            )
        return principal

    def _renew(self, digest: bytes, token: str) -> None:
        self._forget_renewal(digest)
        if (entry := self._entries.get(digest)) is not None:
            self._asking(digest, token, entry.used, renewal=True)

    def _forget_renewal(self, digest: bytes) -> None:
        if handle := self._renewals.pop(digest, None):
            handle.cancel()

    async def _answer(self, token: str) -> tuple[Principal | None, float]:
        """Returns the principal and for how many seconds it may be remembered."""
        if self._shared is None:
            return await self._inner.introspect(token), self._ttl
        found = await self._shared.get(_KIND, token)
        if found is not None and (known := _decode(found.value, token)) is not None:
            return known, min(found.seconds, self._ttl)
        asked_at = time.time()
        principal = await self._inner.introspect(token)
        # Tokens that stand for nobody are not shared: strangers can make any number of them.
        if principal is not None:
            await self._shared.put(_KIND, token, _encode(principal), asked_at)
        return principal, self._ttl


@dataclass
class _Entry:
    """An answer, until when it holds, and when it was last used, on a monotonic clock."""

    until: float
    principal: Principal | None
    used: float


def _unless_expired(principal: Principal | None) -> Principal | None:
    if principal is None or principal.expires_at is None:
        return principal
    return principal if principal.expires_at > datetime.now(UTC) else None


def _encode(principal: Principal) -> bytes:
    return msgspec.json.encode(replace(principal, token=""))


def _decode(data: bytes, token: str) -> Principal | None:
    try:
        return replace(msgspec.json.decode(data, type=Principal), token=token)
    except msgspec.ValidationError:
        return None  # written by another revision
