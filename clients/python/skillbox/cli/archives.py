"""The archive of a skill: what `push` sends and `package` writes."""

from pathlib import Path
from typing import IO

from skillbox.cli.errors import CliError
from skillbox_common.errors import InvalidSkill


def write_archive(folder: Path, file: IO[bytes]) -> None:
    """Packs the folder of a skill, the same bytes for the same content.

    Raises:
        CliError: The folder is no skill, or has a name that an archive cannot hold.
    """
    from skillbox_registry.pack import pack  # noqa: PLC0415 - slow to load, seldom used

    # Whoever names the wrong folder must not send all of it away.
    if not (folder / "SKILL.md").is_file():
        raise CliError(
            f"{folder} is not a skill: it has no SKILL.md", "`skillbox skill init` makes a skill."
        )
    try:
        pack(folder, file)
    except InvalidSkill as error:
        raise CliError(error.message) from None


def must_exist(path: Path) -> None:
    """Returns when there is something at `path`.

    Raises:
        CliError: There is not.
    """
    if not path.exists():
        raise CliError(f"{path} does not exist", "Name the folder of a skill, or its zip archive.")
