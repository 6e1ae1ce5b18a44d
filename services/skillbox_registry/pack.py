"""Packs a folder into the archive that an upload carries."""

import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from skillbox_common.errors import InvalidSkill

_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path, file: IO[bytes]) -> None:
    """Writes a zip of `folder` to `file`; the same content gives the same bytes. Blocking.

    Hidden files and folders stay behind: a `.env` holds secrets, a `.git` what once was.
    A link or device becomes an entry of its kind, which the validator then refuses by name.

    Raises:
        InvalidSkill: A name is not UTF-8.
        OSError: Something cannot be read.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            permissions = 0o755 if mode & 0o111 else 0o644
            info.external_attr = (stat.S_IFMT(mode) | permissions) << 16
            try:
                with archive.open(info, "w") as target:
                    if stat.S_ISREG(mode):
                        with path.open("rb") as source:
                            shutil.copyfileobj(source, target)
            except UnicodeEncodeError:
                raise InvalidSkill([f"{name!r}: the name is not UTF-8"]) from None


def _walk(folder: Path) -> Iterator[Path]:
    """Yields all but folders that is to be packed, in an order no machine changes."""
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path
