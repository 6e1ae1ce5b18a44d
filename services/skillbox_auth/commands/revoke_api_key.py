"""Revokes an API key."""

from datetime import UTC, datetime

from skillbox_auth.api_key import ApiKey
from skillbox_auth.commands.find_api_key import find_api_key
from skillbox_auth.store.interface import ApiKeyStore


async def revoke_api_key(store: ApiKeyStore, *, tenant_id: str, key_id: str) -> ApiKey:
    """Ends a key at once. A key that is revoked stays as it is.

    Raises:
        ApiKeyNotFound: The tenant has no such key.
    """
    key = await find_api_key(store, tenant_id=tenant_id, key_id=key_id)
    return await store.revoke(key, datetime.now(UTC))
