"""Turns the stored zip of a skill into the tar that a runner unpacks."""

import asyncio
import io
import tarfile
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from skillbox_common.object_store import ObjectNotFound


class BundleUnavailable(Exception):
    """The archive cannot be had or read; the text is for the caller."""


class Archives(Protocol):
    async def get(self, key: str) -> bytes: ...


@dataclass(frozen=True)
class Bundle:
    """A skill ready to be sent into boxes.

    Attributes:
        tar: Its files as tar blocks, without the end of the archive.
        names: Paths of its regular files.
    """

    tar: bytes
    names: frozenset[str]

    def payload(self, input_json: str) -> list[bytes]:
        """Returns a whole tar of the skill and its input, in pieces."""
        data = input_json.encode()
        tail = _member("input.json", len(data)).tobuf(tarfile.GNU_FORMAT) + data
        size = len(tail) + 2 * tarfile.BLOCKSIZE  # after which comes the end of the archive
        return [self.tar, tail + bytes(size + -size % tarfile.RECORDSIZE - len(tail))]


class Bundles:
    """Fetches archives and keeps the most recent ones in memory.

    Args:
        max_bytes: Size of all bundles kept; the least recently used go first.
    """

    def __init__(self, archives: Archives, max_bytes: int) -> None:
        self._archives = archives
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[str, str], Bundle] = OrderedDict()
        self._size = 0

    async def get(self, key: str, root: str) -> Bundle:
        """Returns the bundle of an archive, whose `root` folder is stripped.

        Raises:
            BundleUnavailable: See there.
        """
        bundle = self._kept.get((key, root))
        if bundle is None:
            try:
                archive = await self._archives.get(key)
                bundle = await asyncio.to_thread(build, archive, root)
            except ObjectNotFound:
                raise BundleUnavailable("its archive is missing in the object store") from None
            except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
                raise BundleUnavailable("its archive cannot be read") from error
            self._keep((key, root), bundle)
        else:
            self._kept.move_to_end((key, root))
        return bundle

    def _keep(self, key: tuple[str, str], bundle: Bundle) -> None:
        if len(bundle.tar) > self._max_bytes or key in self._kept:
            return
        self._kept[key] = bundle
        self._size += len(bundle.tar)
        while self._size > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.tar)


def build(archive: bytes, root: str) -> Bundle:
    """Converts a zip that the Registry has checked. Blocking."""
    out = io.BytesIO()
    names = set()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as source,
        tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as target,
    ):
        for info in source.infolist():
            name = info.filename.removeprefix(root)
            if info.is_dir() or not info.filename.startswith(root):
                continue
            executable = bool(info.external_attr >> 16 & 0o111)
            _add(target, name, source.read(info), 0o755 if executable else 0o644)
            names.add(name)
        size = target.offset
    return Bundle(out.getvalue()[:size], frozenset(names))


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    archive.addfile(_member(name, len(data), mode), io.BytesIO(data))


def _member(name: str, size: int, mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    return member
