"""Over what MCP is spoken: stdio, or streamable HTTP."""

import ipaddress
import socket
from collections.abc import Callable

import uvicorn
from mcp.server.stdio import stdio_server
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from skillbox.mcp.server import SkillServer
from skillbox.mcp.upstream import Upstream, bearer

PATH = "/mcp"


async def serve_stdio(upstream: Upstream) -> None:
    """Serves until stdin ends."""
    server = SkillServer(upstream).build()
    async with stdio_server() as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())


async def serve_http(
    upstream: Upstream, host: str, port: int, announce: Callable[[str], object]
) -> None:
    """Serves until the process is asked to end.

    Whoever can reach another address than that of this machine must bring a key of their own.

    Args:
        port: 0 takes a free one.
        announce: Called with the URL as soon as it is served.

    Raises:
        OSError: The address cannot be listened on.
    """
    if not is_loopback(host):
        upstream = Upstream(upstream.base_url, tenant_id=upstream.tenant_id)
    app: ASGIApp = (
        SkillServer(upstream).build().streamable_http_app(streamable_http_path=PATH, host=host)
    )
    if not upstream.api_key:
        app = RequireKey(app)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        name = f"[{host}]" if ":" in host else host
        announce(f"http://{name}:{listener.getsockname()[1]}{PATH}")
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=5)
        await uvicorn.Server(config).serve(sockets=[listener])


class RequireKey:
    """Refuses requests without a key before anything else reads them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not bearer(Request(scope).headers.get("authorization", "")):
            refusal = JSONResponse(
                {"error": "unauthorized", "message": "expected Authorization: Bearer API-KEY"},
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
