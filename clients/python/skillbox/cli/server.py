"""`skillbox health` and `skillbox version`."""

import typer

import skillbox
from skillbox.cli import console
from skillbox.cli.settings import settings_of

_TIMEOUT_S = 10.0


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(health)
    app.command()(version)


def health(ctx: typer.Context) -> None:
    """Ask whether the server is alive."""
    settings = settings_of(ctx)
    settings.client(_TIMEOUT_S).health()
    if settings.json:
        console.show_json({"status": "ok"})
    else:
        console.show("Server is healthy")


def version(ctx: typer.Context) -> None:
    """Show the version of this command line."""
    if settings_of(ctx).json:
        console.show_json({"version": skillbox.__version__})
    else:
        console.show(f"skillbox {skillbox.__version__}")
