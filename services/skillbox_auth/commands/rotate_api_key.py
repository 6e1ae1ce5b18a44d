"""Replaces an API key by a new one."""

from datetime import UTC, datetime, timedelta

from skillbox_auth.api_key import IssuedKey, digest, issue
from skillbox_auth.commands.find_api_key import find_api_key
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_common.errors import InvalidArgument

MAX_GRACE = timedelta(days=7)


async def rotate_api_key(
    store: ApiKeyStore, *, tenant_id: str, key_id: str, grace: timedelta
) -> IssuedKey:
    """Stores a new key with the name, scopes and expiry of an old one.

    The old key ends after `grace`, or when it would have ended anyway.

    Raises:
        ApiKeyNotFound: The tenant has no such key.
        InvalidArgument: The key is revoked, expired or was rotated before, or `grace` is
            negative or longer than seven days.
    """
    if not timedelta() <= grace <= MAX_GRACE:
        raise InvalidArgument.of(
            "grace", f"{grace.total_seconds():g}s", "a duration from 0 to 7 days"
        )
    old = await find_api_key(store, tenant_id=tenant_id, key_id=key_id)
    issued = issue(tenant_id=tenant_id, name=old.name, scopes=old.scopes, expires_at=old.expires_at)
    now = datetime.now(UTC)
    if not await store.replace(old, issued.key, digest(issued.secret), now=now, until=now + grace):
        # A rotated key could hand its shortened life on, so its successor is the one to rotate.
        raise InvalidArgument.of("id", key_id, "a key that works and was not rotated before")
    return issued
