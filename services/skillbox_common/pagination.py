"""Pages: sizes are bounded, tokens are opaque and name the last row of the page before."""

import base64
import json
import re

from skillbox_common.errors import InvalidArgument

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000


def page_size(requested: int) -> int:
    """Returns the number of rows to send.

    Raises:
        InvalidArgument: `requested` is negative.
    """
    if requested < 0:
        raise InvalidArgument.of("page_size", requested, "a number from 0 to 1000")
    return min(requested, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def encode_token(*key: str) -> str:
    """Makes a token out of the sort key of the last row sent."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_token(token: str, parts: int) -> tuple[str, ...] | None:
    """Returns the sort key in `token`, or `None` for the first page.

    Raises:
        InvalidArgument: The token was not made by `encode_token` with as many parts.
    """
    if not token:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, RecursionError):
        key = None
    if not isinstance(key, list) or len(key) != parts or not all(map(_is_text, key)):
        raise invalid_token(token)
    return tuple(key)


def invalid_token(token: str) -> InvalidArgument:
    """Returns the error for a token that is none, or that names no row."""
    return InvalidArgument.of("page_token", token, "the next_page_token of the page before")


def _is_text(part: object) -> bool:
    """Tells whether a database can take `part`: no NUL, no half of a surrogate pair."""
    return isinstance(part, str) and not re.search("[\0\ud800-\udfff]", part)
