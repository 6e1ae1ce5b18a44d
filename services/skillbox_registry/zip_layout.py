"""The layout of a zip file, which the library that reads it takes on trust."""

import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\5\6"
_ZIP64_LOCATOR = b"PK\6\7"
_ZIP64_LOCATOR_SIZE = 20
_MAX_COMMENT = 0xFFFF
_LOCAL_HEADER_SIZE = 30
_MAX_DIRECTORY_PER_ENTRY = 1024


@dataclass(frozen=True)
class Directory:
    """Where the list of entries lies.

    Attributes:
        start: Offset of its first byte, which is the end of the last entry.
        entries: How many it has.
    """

    start: int
    entries: int
    archive_size: int


def check_end_record(file: IO[bytes], max_entries: int) -> Directory:
    """Reads the record at the end of a zip before anybody allocates what it announces.

    Raises:
        zipfile.BadZipFile: It is no zip, has too many entries, or holds something before,
            between or behind its parts.
    """
    size = file.seek(0, io.SEEK_END)
    tail_start = file.seek(max(0, size - _END.size - _MAX_COMMENT))
    tail = file.read()
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("it has no end record")
    _, disk, first_disk, here, entries, length, start, comment = _END.unpack_from(tail, at)
    # An archive of that many bytes needs the 64-bit form only to have too many entries.
    locator = tail[max(0, at - _ZIP64_LOCATOR_SIZE) : at]
    if entries > max_entries or locator.startswith(_ZIP64_LOCATOR):
        raise zipfile.BadZipFile(f"it has more than {max_entries} entries")
    if length > entries * _MAX_DIRECTORY_PER_ENTRY:
        raise zipfile.BadZipFile("its directory is too large")
    if (
        (disk, first_disk, here) != (0, 0, entries)
        or start + length != tail_start + at
        or at + _END.size + comment != len(tail)
    ):
        raise zipfile.BadZipFile("it is cut, or something precedes or follows it")
    return Directory(start, entries, size)


def check_overlaps(file: IO[bytes], entries: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Checks that no two entries share bytes.

    Raises:
        zipfile.BadZipFile: Two do, or one has no header or reaches into the directory.
    """
    position, name = 0, ""
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset >= end:
            raise zipfile.BadZipFile(f"{entry.filename[:60]!r} lies outside the archive")
        if entry.header_offset < position:
            raise zipfile.BadZipFile(f"{entry.filename[:60]!r} and {name[:60]!r} overlap")
        file.seek(entry.header_offset)
        header = file.read(_LOCAL_HEADER_SIZE)
        if len(header) < _LOCAL_HEADER_SIZE:
            raise zipfile.BadZipFile(f"{entry.filename[:60]!r} has no header")
        name_length, extra_length = struct.unpack("<2H", header[26:])
        position = (
            entry.header_offset
            + _LOCAL_HEADER_SIZE
            + name_length
            + extra_length
            + entry.compress_size
        )
        name = entry.filename
    if position > end:
        raise zipfile.BadZipFile(f"{name[:60]!r} overlaps the directory")
