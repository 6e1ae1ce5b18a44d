"""`skillbox apikey`: the keys of the tenant. All of it needs an admin key."""

from dataclasses import asdict
from typing import Annotated

import typer

from skillbox.cli import console
from skillbox.cli.arguments import read_duration
from skillbox.cli.settings import Settings, settings_of
from skillbox.client import ApiKey, NewApiKey

app = typer.Typer(help="Manage API keys.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the key.", show_default=False)]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="A label for people.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="What it may do: skills:read, skills:write, executions:run, executions:read, "
            "admin. Without any: all but admin."
        ),
    ] = None,
    ttl: Annotated[
        str, typer.Option(metavar="DURATION", help="How long it works, such as 720h.")
    ] = "",
) -> None:
    """Create a key and print its secret, which is shown only now."""
    settings = settings_of(ctx)
    lifetime = read_duration(ttl, "--ttl")
    _show_new(settings, settings.client().create_api_key(name, scopes=scope or (), ttl=lifetime))


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the keys, newest first."""
    settings = settings_of(ctx)
    keys = settings.client().list_api_keys()
    if settings.json:
        console.show_json([asdict(key) for key in keys])
        return
    console.show_table(
        ("ID", "NAME", "KEY", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "REVOKED"),
        (
            (
                key.id,
                key.name,
                f"{key.prefix}…",
                " ".join(key.scopes),
                console.moment(key.created_at),
                console.moment(key.expires_at),
                console.moment(key.last_used_at),
                console.moment(key.revoked_at),
            )
            for key in keys
        ),
        cut=("NAME", "SCOPES"),
    )


@app.command()
def revoke(ctx: typer.Context, key_id: Id) -> None:
    """End a key."""
    settings = settings_of(ctx)
    key: ApiKey = settings.client().revoke_api_key(key_id)
    if settings.json:
        console.show_json(asdict(key))
    else:
        console.show(f"Revoked {key_id}")


@app.command()
def rotate(
    ctx: typer.Context,
    key_id: Id,
    grace: Annotated[
        str,
        typer.Option(metavar="DURATION", help="How long the old key goes on, such as 24h."),
    ] = "",
) -> None:
    """Replace a key and print the secret of its successor, which is shown only now."""
    settings = settings_of(ctx)
    period = read_duration(grace, "--grace")
    _show_new(settings, settings.client().rotate_api_key(key_id, grace=period))


def _show_new(settings: Settings, new: NewApiKey) -> None:
    if settings.json:
        console.show_json(asdict(new))
        return
    console.show(new.secret)
    console.note(f"Keep it: the secret of key {new.api_key.id} cannot be shown again.")
