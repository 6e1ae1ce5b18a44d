"""Creates an API key."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from skillbox_auth.api_key import IssuedKey, digest, issue
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_common.errors import InvalidArgument
from skillbox_common.principal import Scope

MAX_NAME = 128
MAX_TTL = timedelta(days=3650)
DEFAULT_SCOPES = tuple(scope for scope in Scope if scope is not Scope.ADMIN)


async def create_api_key(
    store: ApiKeyStore,
    *,
    tenant_id: str,
    name: str,
    scopes: Sequence[str],
    ttl: timedelta | None,
) -> IssuedKey:
    """Stores a new key of the tenant.

    Args:
        scopes: Empty means all but `admin`.
        ttl: How long the key works; `None` until it is revoked.

    Raises:
        InvalidArgument: The name is too long or holds control characters, a scope is unknown,
            or `ttl` is not positive or longer than ten years.
    """
    _check_name(name)
    if ttl is not None and not timedelta() < ttl <= MAX_TTL:
        raise InvalidArgument.of(
            "ttl", f"{ttl.total_seconds():g}s", "a duration greater than 0 and at most 3650 days"
        )
    issued = issue(
        tenant_id=tenant_id,
        name=name,
        scopes=_known_scopes(scopes),
        expires_at=datetime.now(UTC) + ttl if ttl is not None else None,
    )
    await store.insert(issued.key, digest(issued.secret))
    return issued


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME or any(unicodedata.category(char) == "Cc" for char in name):
        raise InvalidArgument.of(
            "name", name, f"at most {MAX_NAME} characters without control characters"
        )


def _known_scopes(requested: Sequence[str]) -> tuple[Scope, ...]:
    """Returns each scope once, in the order of `Scope`."""
    known = [scope.value for scope in Scope]
    for scope in requested:
        if scope not in known:
            raise InvalidArgument.of("scopes", scope, f"one of {', '.join(known)}")
    return tuple(scope for scope in Scope if scope in requested) or DEFAULT_SCOPES
