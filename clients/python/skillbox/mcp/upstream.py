"""Where skills run, and as whom."""

from dataclasses import dataclass, field

from mcp import MCPError
from mcp_types import INVALID_REQUEST
from starlette.requests import Request

from skillbox.aio import AsyncClient


@dataclass(frozen=True)
class Upstream:
    """A Skillbox server.

    Attributes:
        api_key: Used for those who bring no key of their own; empty refuses them.
        tenant_id: Tenant that keys must belong to; empty leaves that to the key.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    tenant_id: str = ""

    def client(self, request: Request | None) -> AsyncClient:
        """Returns a client for one call.

        Args:
            request: Which the call came with over HTTP; `None` over stdio.

        Raises:
            MCPError: Nobody has a key, or it or the address cannot be used.
        """
        key = bearer(request.headers.get("authorization", "")) if request else ""
        if not (key or self.api_key):
            raise MCPError(INVALID_REQUEST, "no API key: set SKILLBOX_API_KEY")
        try:
            return AsyncClient(self.base_url, key or self.api_key, tenant_id=self.tenant_id)
        except ValueError as error:
            raise MCPError(INVALID_REQUEST, str(error)) from None


def bearer(header: str) -> str:
    """Returns the key of an Authorization header; empty when there is none."""
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
