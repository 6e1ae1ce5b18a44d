"""Lists API keys, page by page."""

from skillbox_auth.api_key import ApiKey
from skillbox_auth.commands.find_api_key import find_api_key
from skillbox_auth.store.interface import ApiKeyStore
from skillbox_common import pagination
from skillbox_common.errors import ApiKeyNotFound


async def list_api_keys(
    store: ApiKeyStore, *, tenant_id: str, page_size: int, page_token: str
) -> tuple[list[ApiKey], str]:
    """Returns one page of the tenant's keys, newest first, and the token of the next page.

    Raises:
        InvalidArgument: The size is negative, or the token names no key of the tenant.
    """
    size = pagination.page_size(page_size)
    token = pagination.decode_token(page_token, parts=1)
    last = None
    if token is not None:
        try:
            last = await find_api_key(store, tenant_id=tenant_id, key_id=token[0])
        except ApiKeyNotFound:
            raise pagination.invalid_token(page_token) from None
    # One more than the page holds tells whether another page follows.
    keys = await store.newest(tenant_id, size + 1, last)
    page = keys[:size]
    return page, pagination.encode_token(str(page[-1].id)) if len(keys) > size else ""
