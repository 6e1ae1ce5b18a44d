"""What an API key is, and how its secret is made, shown and stored."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

_SECRET_BYTES = 24
_PREFIX_LENGTH = 11


@dataclass(frozen=True)
class ApiKey:
    """One key of a tenant, without its secret.

    Attributes:
        prefix: The first characters of the secret.
        last_used_at: Exact to a minute.
        replaced_by: The key that rotation made out of this one.
    """

    id: UUID
    tenant_id: str
    name: str
    scopes: tuple[str, ...]
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    replaced_by: UUID | None = None

    def works(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True)
class IssuedKey:
    """A new key together with its secret, which is not kept anywhere."""

    key: ApiKey
    secret: str = field(repr=False)


def issue(
    *,
    tenant_id: str,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    secret: str | None = None,
) -> IssuedKey:
    """Makes a key; nothing is stored.

    Args:
        secret: A given secret instead of a random one.
    """
    secret = secret or f"sk-{secrets.token_hex(_SECRET_BYTES)}"
    # Of a given secret that is short, the prefix must not tell too much.
    prefix = secret[: min(_PREFIX_LENGTH, len(secret) // 4)]
    key = ApiKey(
        id=uuid4(),
        tenant_id=tenant_id,
        name=name,
        scopes=tuple(scopes),
        prefix=prefix,
        created_at=datetime.now(UTC),
        expires_at=expires_at,
    )
    return IssuedKey(key, secret)


def digest(secret: str) -> bytes:
    """Returns the SHA-256 under which a key is stored and found.

    Secrets are random and long, so that a slow hash would protect nothing.
    """
    return hashlib.sha256(secret.encode()).digest()
