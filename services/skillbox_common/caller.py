"""The address under which the caller of this RPC reached the edge.

The gateway says it in `x-forwarded-host` and `x-forwarded-proto`; it overwrites what a client
sends in them.
"""

import re
from contextvars import ContextVar

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII)
_endpoint: ContextVar[str] = ContextVar("skillbox_caller_endpoint", default="")


def set_caller_endpoint(host: str | None, scheme: str | None) -> None:
    """Remembers the address for this RPC, if it is one."""
    valid = host is not None and _HOST.fullmatch(host) and scheme in ("http", "https")
    _endpoint.set(f"{scheme}://{host}" if valid else "")


def caller_endpoint() -> str:
    """Returns the address as a URL without path, or nothing when it is not known."""
    return _endpoint.get()
