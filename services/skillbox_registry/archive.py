"""Reads a zip from a stranger: every rule that an archive must keep, checked before use.

Blocking, so that services call it in a thread.
"""

import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from skillbox_registry.findings import shown
from skillbox_registry.limits import Limits
from skillbox_registry.zip_layout import check_end_record, check_overlaps

_CHUNK = 64 * 1024
_MAX_NAME = 1024
_MAX_NAME_PART = 255
_MAX_PROBLEMS = 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The Finder adds it beside the folder that it packs.
_IGNORED_FOLDER = "__MACOSX"


class UnsafeArchive(Exception):
    """The archive is refused.

    Attributes:
        problems: One sentence each, twenty at most.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - _MAX_PROBLEMS
        self.problems = list(problems[:_MAX_PROBLEMS])
        if more > 0:
            self.problems.append(f"and {more} more problems")
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class Archive:
    """A zip that kept every rule.

    Attributes:
        root: The folder that holds SKILL.md, with its slash; empty for the top.
        files: Paths of all regular files in it, relative to `root`.
    """

    root: str
    files: frozenset[str]
    _zip: zipfile.ZipFile

    def read(self, path: str, max_bytes: int) -> bytes:
        """Returns the content of a file.

        Raises:
            KeyError: There is no such file.
            ValueError: It is larger than `max_bytes`.
        """
        with self._zip.open(f"{self.root}{path}") as stream:
            content = stream.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ValueError(f"larger than {max_bytes} bytes")
        return content


@contextmanager
def open_archive(file: IO[bytes], limits: Limits) -> Iterator[Archive]:
    """Opens an archive after reading all of it once.

    Raises:
        UnsafeArchive: It breaks a rule.
    """
    with _faults_as_refusals():
        directory = check_end_record(file, limits.max_entries)
        archive = zipfile.ZipFile(file)
    with archive:
        with _faults_as_refusals():
            entries = archive.infolist()
            if len(entries) != directory.entries:
                raise UnsafeArchive(["the number of entries is not the one that the zip states"])
            _check_entries(entries)
            check_overlaps(file, entries, directory.start)
            _check_content(archive, entries, directory.archive_size, limits)
            root = _find_root([entry.filename for entry in entries])
        yield Archive(
            root,
            frozenset(
                entry.filename.removeprefix(root)
                for entry in entries
                if not entry.is_dir() and entry.filename.startswith(root)
            ),
            archive,
        )


@contextmanager
def _faults_as_refusals() -> Iterator[None]:
    """Whatever the library stumbles over is the fault of the archive."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise UnsafeArchive([f"not a zip archive that can be read: {error}"]) from error


def _check_entries(entries: Sequence[zipfile.ZipInfo]) -> None:
    problems = []
    for entry in entries:
        problem = next((text for breaks, text in _RULES if breaks(entry)), None)
        if problem:
            problems.append(f"{shown(entry.orig_filename)} {problem}")
    problems += _twins(entries)
    if problems:
        raise UnsafeArchive(problems)


def _parts(entry: zipfile.ZipInfo) -> list[str]:
    return entry.filename.removesuffix("/").split("/")


def _kind(entry: zipfile.ZipInfo) -> int:
    """Returns the type bits of the mode; 0 when the zip was made where there are none."""
    return stat.S_IFMT(entry.external_attr >> 16)


# Names first: the library's `is_dir` needs one. It cuts a name at a NUL; the original tells.
_RULES: tuple[tuple[Callable[[zipfile.ZipInfo], object], str], ...] = (
    (lambda entry: "\\" in entry.filename, "has a backslash in its name"),
    (lambda entry: _CONTROL.search(entry.orig_filename), "has a control character in its name"),
    (lambda entry: entry.filename.startswith("/"), "has an absolute name"),
    (lambda entry: _DRIVE.match(entry.filename), "names a drive"),
    (lambda entry: ".." in _parts(entry), "has .. in its name"),
    (lambda entry: {"", "."}.intersection(_parts(entry)), "has an empty part in its name"),
    (lambda entry: len(entry.filename.encode()) > _MAX_NAME, "has a name that is too long"),
    (
        lambda entry: any(len(part.encode()) > _MAX_NAME_PART for part in _parts(entry)),
        "has a name with a part that is too long",
    ),
    (lambda entry: _kind(entry) == stat.S_IFLNK, "is a symbolic link"),
    (
        lambda entry: _kind(entry) not in (0, stat.S_IFREG, stat.S_IFDIR),
        "is a device or another special file",
    ),
    (
        lambda entry: _kind(entry) and (_kind(entry) == stat.S_IFDIR) != entry.is_dir(),
        "is a folder by its mode but not by its name, or the reverse",
    ),
    (lambda entry: entry.flag_bits & _ENCRYPTED, "is encrypted"),
    (
        lambda entry: entry.compress_type not in _METHODS,
        "is compressed with another method than deflate",
    ),
)
"""What an entry must not be, judged without its content."""


def _twins(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Finds names that meet in one place, on a file system that ignores case or on any."""
    problems = []
    names: dict[str, str] = {}
    for entry in entries:
        key = _folded(entry.filename)
        if key in names:
            problems.append(f"{shown(entry.filename)} and {shown(names[key])} are the same name")
        names[key] = entry.filename
    files = {key for key, name in names.items() if not name.endswith("/")}
    for key, name in names.items():
        parts = key.split("/")
        if any("/".join(parts[:end]) in files for end in range(1, len(parts))):
            problems.append(f"{shown(name)} lies in what is a file")
    return problems


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.removesuffix("/")).casefold()


def _check_content(
    archive: zipfile.ZipFile,
    entries: Sequence[zipfile.ZipInfo],
    archive_size: int,
    limits: Limits,
) -> None:
    """Reads everything once: the checksums must hold and the true sizes stay in the limits."""
    total = 0
    for entry in entries:
        stated, counted = entry.file_size, 0
        # The library reads as much as the header states; it shall read what is there.
        entry.file_size = limits.max_unpacked + 1
        try:
            with archive.open(entry) as stream:
                while chunk := stream.read(_CHUNK):
                    counted += len(chunk)
                    if total + counted > limits.max_unpacked:
                        raise UnsafeArchive([f"unpacks to more than {limits.max_unpacked} bytes"])
                    if total + counted > limits.max_ratio * archive_size:
                        raise UnsafeArchive([f"unpacks to over {limits.max_ratio} times its size"])
        finally:
            entry.file_size = stated
        if counted != stated:
            raise UnsafeArchive(
                [f"{shown(entry.filename)} holds {counted} bytes but states {stated}"]
            )
        if entry.is_dir() and counted:
            raise UnsafeArchive([f"{shown(entry.filename)} is a folder with content"])
        total += counted


def _find_root(names: Sequence[str]) -> str:
    if "SKILL.md" in names:
        return ""
    tops = {name.split("/")[0] for name in names} - {_IGNORED_FOLDER}
    top = min(tops, default="")
    if len(tops) == 1 and f"{top}/SKILL.md" in names:
        return f"{top}/"
    raise UnsafeArchive(["there is no SKILL.md at the top or in a single top folder"])
