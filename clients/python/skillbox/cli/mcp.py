"""`skillbox mcp`: skills as tools of an agent's host."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer

from skillbox.cli import console
from skillbox.cli.errors import CliError
from skillbox.cli.settings import settings_of


class Transport(StrEnum):
    """Over what MCP is spoken."""

    STDIO = "stdio"
    HTTP = "http"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(mcp)


def mcp(
    ctx: typer.Context,
    transport: Annotated[
        Transport, typer.Option(help="What the host speaks: stdio, or streamable HTTP.")
    ] = Transport.STDIO,
    host: Annotated[
        str,
        typer.Option(help="Address for HTTP. On any but this machine's own, callers bring keys."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port for HTTP; 0 is any.")] = 8090,
) -> None:
    """Serve skills as tools of an agent's host, over MCP."""
    settings = settings_of(ctx)
    if settings.json and transport is Transport.STDIO:
        raise typer.BadParameter(
            "over stdio stdout belongs to MCP, which is JSON itself", param_hint="--output"
        )
    # Says what is wrong with the global options.
    settings.client()
    try:
        from skillbox.mcp import Upstream, transports  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        raise CliError(
            f"the MCP server is not installed ({error})",
            'Install it: pip install "skillbox[mcp]".',
        ) from error
    upstream = Upstream(settings.server, settings.api_key, settings.tenant)
    if transport is Transport.STDIO:
        asyncio.run(transports.serve_stdio(upstream))
    else:
        announce = _announce_json if settings.json else _announce
        asyncio.run(transports.serve_http(upstream, host, port, announce))


def _announce(url: str) -> None:
    console.note(f"Serving skills at {url}")


def _announce_json(url: str) -> None:
    console.show_json_line({"url": url})
