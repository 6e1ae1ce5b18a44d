"""`skillbox skill init`, `lint` and `package`: what an author does without a server.

The rules are those of the Registry's own validator. It is imported where it is used, because
it takes longer to load than most commands take to run.
"""

import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skillbox.cli import console
from skillbox.cli.archives import must_exist, write_archive
from skillbox.cli.errors import CliError
from skillbox.cli.settings import settings_of
from skillbox.cli.skeleton import Lang, skeleton
from skillbox_common.errors import InvalidSkill

if TYPE_CHECKING:
    from skillbox_registry.lint import Check


def init(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the skill.", show_default=False)],
    lang: Annotated[Lang, typer.Option(help="Language of its script.")] = Lang.PYTHON,
) -> None:
    """Make a new skill in a folder of its name."""
    from skillbox_registry.skill_md import NAME  # noqa: PLC0415 - see the module

    if not NAME.fullmatch(name):
        raise typer.BadParameter(
            f"{name!r}: expected letters, digits, '.', '_' and '-', a letter or digit first",
            param_hint="NAME",
        )
    folder = Path(name)
    if folder.exists():
        raise CliError(f"{folder} exists already", "Choose another name, or another folder.")
    files = skeleton(name, lang)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    if settings_of(ctx).json:
        console.show_json({"path": str(folder), "files": list(files)})
        return
    console.show(f"Made {folder}")
    console.note(f"Try it: skillbox skill push {name} && skillbox run {name}")


def lint(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="Folder or zip archive of the skill.")] = Path(),
) -> None:
    """Check a skill by the rules of the server: PASS, WARN or FAIL for each.

    A plain Agent Skill passes; what only that format forbids is a warning.
    """
    from skillbox_registry.lint import lint as check  # noqa: PLC0415 - see the module

    must_exist(path)
    checks = check(path)
    if settings_of(ctx).json:
        console.show_json([asdict(item) for item in checks])
    else:
        page = path / "SKILL.md" if path.is_dir() else Path("SKILL.md")
        for item in checks:
            console.show(_line(item, page))
    failed = sum(not item.passed for item in checks)
    if failed:
        raise CliError(f"{failed} of {len(checks)} checks failed")


def _line(check: "Check", page: Path) -> str:
    """Returns what is printed of a check: verdict, name, and file:line of what it is about."""
    if not check.message:
        return f"{'PASS' if check.passed else 'FAIL'} {check.name}"
    where = f"{page}:{check.line}: " if check.line else ""
    return f"{'WARN' if check.passed else 'FAIL'} {check.name}: {where}{check.message}"


def package(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the skill.", show_default=False)
    ],
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to put the archive.", file_okay=False)
    ] = Path(),
) -> None:
    """Pack a skill as NAME-VERSION.zip, the same bytes for the same content.

    Hidden files and folders, such as .env and .git, and __pycache__ stay behind.
    """
    from skillbox_registry.limits import Limits  # noqa: PLC0415 - see the module
    from skillbox_registry.validate import validate_archive  # noqa: PLC0415 - see the module

    if to.resolve().is_relative_to(folder.resolve()):
        raise CliError(
            f"{to.resolve()} is in the skill: the next archive would hold this one",
            "Name another folder with --to.",
        )
    with tempfile.TemporaryFile() as packed:
        write_archive(folder, packed)
        try:
            spec = validate_archive(packed, Limits()).spec
        except InvalidSkill as error:
            raise CliError(error.message, "`skillbox skill lint` shows every check.") from None
        to.mkdir(parents=True, exist_ok=True)
        archive = to / f"{spec.name}-{spec.version}.zip"
        packed.seek(0)
        with archive.open("wb") as file:
            shutil.copyfileobj(packed, file)
    if settings_of(ctx).json:
        console.show_json({"path": str(archive), "name": spec.name, "version": spec.version})
    else:
        console.show(str(archive))
