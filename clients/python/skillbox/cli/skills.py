"""`skillbox skill`: make, check, pack, push and look at skills."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn

from skillbox.cli import console
from skillbox.cli.archives import must_exist, write_archive
from skillbox.cli.authoring import init, lint, package
from skillbox.cli.settings import Settings, settings_of
from skillbox.client import Client, Skill

app = typer.Typer(help="Make, check, push and look at skills.", no_args_is_help=True)
app.command()(init)
app.command()(lint)
app.command()(package)

Name = Annotated[str, typer.Argument(help="Name of the skill.", show_default=False)]
Version = Annotated[str, typer.Option(metavar="V", help="Version of the skill.")]


@app.command()
def push(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(help="Folder or zip archive of the skill.", show_default=False)
    ],
) -> None:
    """Upload a skill. The same name and version again replaces what was there.

    Of a folder everything is packed but hidden files and folders, such as .env and .git, and
    __pycache__.
    """
    settings = settings_of(ctx)
    with _archive(path) as archive:
        skill = _upload(settings.client(), archive)
    if settings.json:
        console.show_json(asdict(skill))
    else:
        console.show(f"Pushed {skill.name} {skill.version}")


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List every version of every skill."""
    settings = settings_of(ctx)
    skills = settings.client().list_skills()
    if settings.json:
        console.show_json([asdict(skill) for skill in skills])
        return
    console.show_table(
        ("NAME", "VERSION", "LANG", "DESCRIPTION"),
        ((skill.name, skill.version, skill.lang, skill.description) for skill in skills),
        cut=("DESCRIPTION",),
    )


@app.command()
def show(
    ctx: typer.Context,
    name: Name,
    version: Version = "latest",
    files: Annotated[
        bool, typer.Option("--files", help="Show the files of its archive instead.")
    ] = False,
) -> None:
    """Show one version of a skill in full."""
    settings = settings_of(ctx)
    if files:
        _show_files(settings, name, version)
        return
    skill = settings.client().get_skill(name, version)
    if settings.json:
        console.show_json(asdict(skill))
        return
    console.show_fields(
        (
            ("Name", skill.name),
            ("Version", skill.version),
            ("Description", skill.description),
            ("Language", skill.lang),
            ("Mode", skill.mode),
            ("Entry point", skill.entrypoint),
            ("Image", skill.image),
            ("Runtime", skill.runtime),
            ("Dependencies", ": ".join(filter(None, skill.dependencies.values()))),
            ("Timeout", skill.timeout),
            ("Memory", skill.resources.get("memory", "")),
            ("CPU", skill.resources.get("cpu", "")),
            ("Digest", skill.digest),
        )
    )
    if skill.instructions:
        console.show(f"\n{skill.instructions}")


@app.command()
def download(
    ctx: typer.Context,
    name: Name,
    version: Version = "latest",
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="File or folder to put the archive in.",
            show_default="NAME-VERSION.zip",
        ),
    ] = None,
) -> None:
    """Fetch the archive of a skill, byte for byte as it was uploaded."""
    settings = settings_of(ctx)
    client = settings.client()
    if version == "latest":
        # What that is may change between two calls, and the file is named after it.
        version = client.get_skill(name).version
    content = client.download_skill(name, version)
    path = to or Path()
    if path.is_dir():
        path /= Path(f"{name}-{version}.zip").name
    path.write_bytes(content)
    if settings.json:
        console.show_json({"path": str(path), "name": name, "version": version})
    else:
        console.show(str(path))


@app.command()
def delete(
    ctx: typer.Context,
    name: Name,
    version: Annotated[
        str, typer.Argument(help="Version to delete, or latest.", show_default=False)
    ],
) -> None:
    """Delete one version of a skill."""
    settings = settings_of(ctx)
    settings.client().delete_skill(name, version)
    if settings.json:
        console.show_json({"name": name, "version": version})
    else:
        console.show(f"Deleted {name} {version}")


def _show_files(settings: Settings, name: str, version: str) -> None:
    files = settings.client().list_skill_files(name, version)
    if settings.json:
        console.show_json([asdict(file) for file in files])
        return
    console.show_table(
        ("PATH", "SIZE", "EXECUTABLE"),
        ((file.path, str(file.size_bytes), "yes" if file.executable else "") for file in files),
    )


@contextmanager
def _archive(path: Path) -> Iterator[Path]:
    """Yields the archive at `path`, or that of the folder there."""
    must_exist(path)
    if not path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, f"{path.resolve().name}.zip")
        with archive.open("wb") as file:
            write_archive(path, file)
        yield archive


def _upload(client: Client, archive: Path) -> Skill:
    with console.transfer_bar(BarColumn()) as bar:
        task = bar.add_task(f"Pushing {archive.name}", total=archive.stat().st_size)
        return client.upload_skill(archive, progress=lambda size: bar.advance(task, size))
