"""Tells whom a bearer token stands for."""

from datetime import UTC, datetime
from typing import Protocol

from skillbox_auth.api_key import ApiKey, digest
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_common.principal import Principal


class UseListener(Protocol):
    """Is told of each use of a key; must not take time."""

    def used(self, key: ApiKey, at: datetime) -> None: ...


class StoreIntrospector:
    """Implements `skillbox_common.introspection.Introspector` on the store."""

    def __init__(self, store: ApiKeyStore, uses: UseListener) -> None:
        self._store = store
        self._uses = uses

    async def introspect(self, token: str) -> Principal | None:
        key = await self._store.find(digest(token))
        now = datetime.now(UTC)
        if key is None or not key.works(now):
            return None
        self._uses.used(key, now)
        return Principal(
            key_id=str(key.id),
            tenant_id=key.tenant_id,
            scopes=frozenset(key.scopes),
            token=token,
            expires_at=key.expires_at,
        )
