"""The content of a dependency set: a tar of regular files, whoever made it.

It is checked entry by entry when a builder hands it over, and again when it comes back from the
object store.
"""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from skillbox_executor.dependencies.errors import DependencyError

MAX_FILES = 100_000
_CHUNK = 256 * 1024
_LONGEST_NAME = 1024


def pack(source: IO[bytes], target: IO[bytes], *, strip: str, max_bytes: int) -> str:
    """Packs what a builder left; the same files give the same bytes. Blocking.

    Args:
        source: Its tar, hostile.
        target: Gets the set, compressed.
        strip: What every name begins with; others are left out.

    Returns:
        The SHA-256 of the set.

    Raises:
        DependencyError: The tar is broken, too large, or holds something else than files.
    """
    with _opened(source) as tar:
        entries = sorted(_entries(tar, strip, max_bytes), key=lambda entry: entry.name)
        with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1, mtime=0) as packed:
            _copy(tar, entries, packed, "")
    target.seek(0)
    seen = hashlib.sha256()
    while piece := target.read(_CHUNK):
        seen.update(piece)
    target.seek(0)
    return seen.hexdigest()


def unpack(source: IO[bytes], target: IO[bytes], *, prefix: str, max_bytes: int) -> None:
    """Writes a set as a plain tar, every name behind `prefix`. Blocking.

    Raises:
        DependencyError: It is none that `pack` made.
    """
    with gzip.GzipFile(fileobj=source) as packed, _opened(cast("IO[bytes]", packed)) as tar:
        _copy(tar, list(_entries(tar, "", max_bytes)), target, prefix)


@contextmanager
def _opened(source: IO[bytes]) -> Iterator[tarfile.TarFile]:
    """Opens a tar; whatever is wrong with it while it is read is a `DependencyError`."""
    try:
        with tarfile.open(fileobj=source, mode="r:", encoding="utf-8", errors="strict") as tar:
            yield tar
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise DependencyError("the installed packages cannot be read") from error


def _entries(tar: tarfile.TarFile, strip: str, max_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Yields the files, named without `strip`."""
    names: set[str] = set()
    size = 0
    for member in tar:
        name = member.name.removeprefix("./")
        if member.isdir() or not name.startswith(strip):
            continue
        member.name = name.removeprefix(strip)
        size += member.size
        if not member.isreg() or not _plain(member.name) or member.name in names:
            raise DependencyError(f"the installed packages hold {name[:200]!r}, no plain file")
        names.add(member.name)
        if size > max_bytes or len(names) > MAX_FILES:
            raise DependencyError(
                f"the installed packages are too large: at most {max_bytes} bytes "
                f"and {MAX_FILES} files"
            )
        yield member


def _plain(name: str) -> bool:
    parts = name.split("/")
    return len(name) <= _LONGEST_NAME and not any(part in ("", ".", "..") for part in parts)


def _copy(
    source: tarfile.TarFile,
    entries: list[tarfile.TarInfo],
    target: IO[bytes] | gzip.GzipFile,
    prefix: str,
) -> None:
    with tarfile.open(
        fileobj=cast("IO[bytes]", target), mode="w", format=tarfile.GNU_FORMAT
    ) as tar:
        for entry in entries:
            clean = tarfile.TarInfo(prefix + entry.name)
            clean.size = entry.size
            clean.mode = 0o755 if entry.mode & 0o111 else 0o644
            tar.addfile(clean, source.extractfile(entry))
