"""`skillbox export` and `skillbox import`: a tenant's skills in one file."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from skillbox.backup import BackupError, Restored, export_skills, import_skills
from skillbox.cli import console
from skillbox.cli.archives import must_exist
from skillbox.cli.errors import CliError
from skillbox.cli.settings import settings_of


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("export")(export)
    app.command("import")(import_)


def export(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="File to write.", show_default=False)
    ],
) -> None:
    """Write every version of every skill of the tenant to one file."""
    settings = settings_of(ctx)
    if path.is_dir():
        raise CliError(f"{path} is a folder", "Name the file to write, such as skills.tar.")
    try:
        entries = list(export_skills(settings.client(), path))
    except BackupError as error:
        raise CliError(str(error)) from error
    if settings.json:
        console.show_json([asdict(entry) for entry in entries])
    else:
        console.show(f"Exported {len(entries)} versions to {path}")


def import_(
    ctx: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File that an export wrote.", show_default=False),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also versions that the server has with other bytes.")
    ] = False,
) -> None:
    """Upload the skills of an export. Versions that are there already are left alone."""
    settings = settings_of(ctx)
    must_exist(path)
    try:
        results = list(import_skills(settings.client(), path, replace=replace))
    except BackupError as error:
        raise CliError(str(error)) from error
    if settings.json:
        console.show_json(
            [{**asdict(entry), "result": restored.value} for entry, restored in results]
        )
    else:
        counts = Counter(restored.value for _, restored in results)
        console.show(", ".join(f"{counts[each.value]} {each.value}" for each in Restored))
    if differing := [entry for entry, restored in results if restored is Restored.DIFFERS]:
        names = ", ".join(f"{entry.name} {entry.version}" for entry in differing)
        raise CliError(
            f"the server has other bytes under the same version of: {names}",
            "Pass --replace to upload them all the same.",
        )
