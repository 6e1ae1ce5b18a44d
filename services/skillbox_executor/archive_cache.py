"""Keeps archives of skills on disk, so that a restart or a full memory costs no download."""

import asyncio
import hashlib
import os
import re
import stat
import tempfile
import time
from pathlib import Path

import structlog

from skillbox_executor.bundles import Archives

_KEY = re.compile(r"archives/([0-9a-f]{64})", re.ASCII)
_NEW = ".new-"
_ABANDONED_S = 3600.0
_log = structlog.get_logger(__name__)


class CachedArchives:
    """Archives by their SHA-256: what was changed, or half written, is not used.

    Where the folder cannot be had nothing is kept, which costs time and nothing else.
    """

    def __init__(self, inner: Archives, cache: "ArchiveCache") -> None:
        self._inner = inner
        self._cache = cache

    async def get(self, key: str) -> bytes:
        """Returns an archive.

        Raises:
            ObjectNotFound: There is none.
            ValueError: The object store has another one than was stored under this key.
        """
        match = _KEY.fullmatch(key)
        if match is None:
            return await self._inner.get(key)
        digest = match[1]
        archive = await asyncio.to_thread(self._cache.read, digest)
        if archive is None:
            archive = await self._inner.get(key)
            if await asyncio.to_thread(_digest, archive) != digest:
                raise ValueError("the archive is not the one that was stored")
            await asyncio.to_thread(self._cache.write, digest, archive)
        return archive


class ArchiveCache:
    """Files named by the SHA-256 of their content. Blocking.

    Args:
        folder: Belongs to this user alone; made when it is missing.
        max_bytes: Size of all files; the least recently used go first.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._complained = False

    def read(self, digest: str) -> bytes | None:
        """Returns a file's content, or `None` when it is not there or not what it should be."""
        path = self._folder / digest
        try:
            self._check_folder()
            with os.fdopen(
                os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb"
            ) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
                content = file.read(self._max_bytes + 1)
            if _digest(content) != digest:
                path.unlink()
                return None
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._complain(error)
            return None
        return content

    def write(self, digest: str, content: bytes) -> None:
        """Keeps a content, if there is room."""
        if len(content) > self._max_bytes:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_folder()
            handle, name = tempfile.mkstemp(prefix=_NEW, dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(name).replace(self._folder / digest)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._make_room()
        except OSError as error:
            self._complain(error)

    def _check_folder(self) -> None:
        """Makes sure that nobody else can put something where we read, write and delete."""
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError("it is not a folder that this user alone may write")

    def _make_room(self) -> None:
        files = []
        for path in self._folder.iterdir():
            try:
                found = path.lstat()
            except FileNotFoundError:  # another Executor removed it
                continue
            if path.name.startswith(_NEW) and found.st_mtime < time.time() - _ABANDONED_S:
                path.unlink(missing_ok=True)
            elif _KEY.fullmatch(f"archives/{path.name}"):
                files.append((found.st_mtime_ns, found.st_size, path))
        size = sum(each for _, each, _ in files)
        for _, each, path in sorted(files):
            if size <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            size -= each

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            _log.warning(
                "archives are not kept on disk", folder=str(self._folder), error=str(error)
            )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
