"""What the commands ask of a store of API keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from skillbox_auth.api_key import ApiKey


class ApiKeyStore(Protocol):
    """Keeps API keys under the digest of their secret.

    Keys are never removed. Every method raises `DependencyUnavailable` when the store does not
    answer. Methods that take a tenant find that tenant's keys only.
    """

    async def insert(self, key: ApiKey, digest: bytes) -> bool:
        """Adds a key; returns false, and changes nothing, when the digest is there already."""
        ...

    async def get(self, tenant_id: str, key_id: UUID) -> ApiKey | None: ...

    async def find(self, digest: bytes) -> ApiKey | None:
        """Returns the key with this digest, whatever its tenant and state."""
        ...

    async def newest(self, tenant_id: str, limit: int, after: ApiKey | None) -> list[ApiKey]:
        """Returns at most `limit` keys, newest first, that come after `after`."""
        ...

    async def revoke(self, key: ApiKey, now: datetime) -> ApiKey:
        """Sets `revoked_at` unless it is set, and returns the key as it is then."""
        ...

    async def replace(
        self, old: ApiKey, new: ApiKey, digest: bytes, now: datetime, until: datetime
    ) -> bool:
        """Adds `new` and lets `old` end at `until`, or when it would have ended before.

        Returns:
            False, with nothing changed, when `old` does not work any more at `now` or was
            replaced before.
        """
        ...

    async def touch(self, seen: Mapping[UUID, datetime]) -> None:
        """Records when keys were last used, for each at most once a minute."""
        ...
