"""A cache that the replicas of all services share through Redis.

It may forget, but not mislead: what it returns was put there by a service, for this very key,
within the last seconds. So a Redis that lies, mixes up replies or was taken over can make things
slow and no more, and one that hangs or is gone costs one short wait now and then.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError

from skillbox_common.config import CacheSettings

TTL_S = 2.0
_TIMEOUT_S = 0.05
_REST_S = 5.0
_MAC_BYTES = 32
_TIME_BYTES = 8
# Nobody writes a value that was read before a change and took longer than this to arrive.
_MAX_AGE_S = 1.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Found:
    """A value and the seconds for which it may be used, `TTL_S` at most."""

    value: bytes
    seconds: float


class Cache(Protocol):
    """Remembers bytes for `TTL_S` seconds. No method ever fails."""

    async def get(self, kind: str, key: str) -> Found | None:
        """Returns what `put` was given for `kind` and `key`, if it is still known."""
        ...

    async def put(self, kind: str, key: str, value: bytes, asked_at: float) -> None:
        """Remembers a value unless another is known.

        Args:
            asked_at: When whoever knows it was asked, as `time.time()`.
        """
        ...

    async def forget(self, kind: str, key: str) -> None:
        """Drops a value, and what others are about to put in its place."""
        ...


@asynccontextmanager
async def connect(settings: CacheSettings) -> AsyncIterator["Cache | None"]:
    """Opens the cache that the settings name; `None` when they name none."""
    if settings.cache_secret is None:
        yield None
        return
    redis = Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S,
        # To ask the service is better than to ask again, unless it is only that the connection is
        # from before Redis was restarted.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
    )
    try:
        yield SharedCache(redis, settings.cache_secret.get_secret_value())
    finally:
        await redis.aclose()


class SharedCache:
    """A `Cache` in Redis.

    Args:
        secret: Of the services alone. Whoever knows it can forge values.
    """

    def __init__(self, redis: Redis, secret: str) -> None:
        # Any command of a few words, which the library leaves without types.
        self._execute: Any = redis.execute_command
        self._secret = hashlib.sha256(b"skillbox-cache\0" + secret.encode()).digest()
        self._resting_until = float("-inf")

    async def get(self, kind: str, key: str) -> Found | None:
        name = self._name(kind, key)
        entry = await self._ask("GET", name)
        if not isinstance(entry, bytes) or not entry:
            return None  # unknown, or dropped
        found = self._open(name, entry)
        if found is None:
            await self._ask("DEL", name)
        return found

    async def put(self, kind: str, key: str, value: bytes, asked_at: float) -> None:
        left_s = asked_at + TTL_S - time.time()
        if not TTL_S - _MAX_AGE_S < left_s <= TTL_S:
            return
        name = self._name(kind, key)
        entry = self._seal(name, value, asked_at + TTL_S)
        await self._ask("SET", name, entry, "PX", int(left_s * 1000), "NX")

    async def forget(self, kind: str, key: str) -> None:
        # An empty entry stays for as long as a value from before may still arrive.
        await self._ask("SET", self._name(kind, key), b"", "PX", int(TTL_S * 1000))

    async def _ask(self, *command: str | bytes | int) -> object:
        """Runs a command, unless Redis did not answer lately; returns `None` when it fails."""
        if time.monotonic() < self._resting_until:
            return None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                answer: object = await self._execute(*command)
                return answer
        except ResponseError:
            return None  # It answers, if only to refuse.
        # Whatever is wrong with Redis, or with what says to be it.
        except Exception as error:
            self._resting_until = time.monotonic() + _REST_S
            _log.warning("the cache does not answer", kind=type(error).__name__)
            return None

    def _name(self, kind: str, key: str) -> str:
        # With the secret in it, so that nobody who sees the names can try guesses of a key.
        digest = hmac.digest(self._secret, f"{kind}\0{key}".encode(), "sha256")
        return f"skillbox:{kind}:{digest.hex()}"

    def _seal(self, name: str, value: bytes, expires_at: float) -> bytes:
        body = int(expires_at * 1000).to_bytes(_TIME_BYTES, "big") + value
        return self._mac(name, body) + body

    def _open(self, name: str, entry: bytes) -> Found | None:
        mac, body = entry[:_MAC_BYTES], entry[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(name, body)):
            return None
        expires_at = int.from_bytes(body[:_TIME_BYTES], "big") / 1000
        left_s = expires_at - time.time()
        return Found(body[_TIME_BYTES:], left_s) if 0 < left_s <= TTL_S else None

    def _mac(self, name: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, name.encode() + b"\0" + body, "sha256")
