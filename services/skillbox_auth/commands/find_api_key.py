"""Finds a key by the id that a caller sent."""

from uuid import UUID

from skillbox_auth.api_key import ApiKey
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_common.errors import ApiKeyNotFound


async def find_api_key(store: ApiKeyStore, *, tenant_id: str, key_id: str) -> ApiKey:
    """Returns a key of the tenant.

    Raises:
        ApiKeyNotFound: The tenant has no such key, or the id is no UUID.
    """
    try:
        key = await store.get(tenant_id, UUID(key_id))
    except ValueError:
        key = None
    if key is None:
        raise ApiKeyNotFound(f"API key not found: {key_id}")
    return key
