"""Looks into an archive that was checked when it was uploaded. Blocking."""

import codecs
import zipfile
from typing import IO

from skillbox_registry.skill import SkillFile

CHUNK = 256 * 1024


class StoredArchive:
    """The files of an archive, their paths relative to the folder of SKILL.md.

    Args:
        file: The archive, which stays open as long as its files are read.
        root: That folder, with its slash; empty for the top.
    """

    def __init__(self, file: IO[bytes], root: str) -> None:
        self._archive = zipfile.ZipFile(file)
        self._entries = {
            entry.filename.removeprefix(root): entry
            for entry in self._archive.infolist()
            if entry.filename.startswith(root) and not entry.is_dir()
        }

    def files(self) -> list[SkillFile]:
        """Returns all files by path."""
        return [
            SkillFile(path, entry.file_size, executable=bool(entry.external_attr >> 16 & 0o111))
            for path, entry in sorted(self._entries.items())
        ]

    def open(self, path: str) -> IO[bytes]:
        """Opens a file. Nothing is ever opened but what the archive lists.

        Raises:
            KeyError: There is no such file.
        """
        return self._archive.open(self._entries[path])


def is_text(stream: IO[bytes]) -> bool:
    """Tells whether a file is UTF-8 to its end, and rewinds it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := stream.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        stream.seek(0)
    return True
