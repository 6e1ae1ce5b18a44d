"""Stores the first key, which the operator chose."""

from skillbox_auth.api_key import digest, issue
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_common.errors import InvalidArgument
from skillbox_common.principal import Scope


async def bootstrap(store: ApiKeyStore, *, tenant_id: str, secret: str) -> None:
    """Makes sure that the tenant has a key with this secret.

    A key that is there stays as it is, revoked or not.

    Raises:
        InvalidArgument: The secret belongs to another tenant.
    """
    issued = issue(tenant_id=tenant_id, name="bootstrap", scopes=[Scope.ADMIN], secret=secret)
    if await store.insert(issued.key, digest(secret)):
        return
    existing = await store.find(digest(secret))
    if existing is None or existing.tenant_id != tenant_id:
        raise InvalidArgument.of(
            "SKILLBOX_BOOTSTRAP_TENANT",
            tenant_id,
            "the tenant that SKILLBOX_BOOTSTRAP_API_KEY belongs to already",
        )
