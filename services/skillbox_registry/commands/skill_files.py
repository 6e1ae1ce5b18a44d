"""Shows the files in the archive of a version."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import IO

from skillbox_common.errors import SkillFileNotFound
from skillbox_registry.commands.get_skill import get_skill
from skillbox_registry.skill import SkillFile, StoredSkill
from skillbox_registry.spool import Spool
from skillbox_registry.store.interface import ArchiveStore, SkillReader
from skillbox_registry.stored_archive import CHUNK, StoredArchive, is_text


class OpenFile:
    """A file of an archive, as long as its context lasts."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    async def is_text(self) -> bool:
        """Tells whether the whole file is UTF-8. To be asked before `chunks`."""
        return await asyncio.to_thread(is_text, self._stream)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yields the content in chunks of 256 KiB at most; one empty chunk when it is empty."""
        yield await asyncio.to_thread(self._stream.read, CHUNK)
        while chunk := await asyncio.to_thread(self._stream.read, CHUNK):
            yield chunk


class SkillFiles:
    """Reads files out of stored archives."""

    def __init__(self, skills: SkillReader, archives: ArchiveStore) -> None:
        self._skills = skills
        self._archives = archives

    async def list(self, tenant_id: str, name: str, version: str) -> Sequence[SkillFile]:
        """Returns the files of a version by path.

        Raises:
            SkillNotFound: The tenant has no such version.
        """
        stored = await get_skill(self._skills, tenant_id, name, version)
        async with self._fetched(stored) as archive:
            return archive.files()

    @asynccontextmanager
    async def open(
        self, tenant_id: str, name: str, version: str, path: str
    ) -> AsyncIterator[OpenFile]:
        """Opens one file of a version.

        Raises:
            SkillNotFound: The tenant has no such version.
            SkillFileNotFound: Its archive has no such file.
        """
        stored = await get_skill(self._skills, tenant_id, name, version)
        async with self._fetched(stored) as archive:
            try:
                stream = archive.open(path)
            except KeyError:
                raise SkillFileNotFound(
                    f"skill file not found: {name}@{stored.spec.version}/{path}"
                ) from None
            with stream:
                yield OpenFile(stream)

    @asynccontextmanager
    async def _fetched(self, stored: StoredSkill) -> AsyncIterator[StoredArchive]:
        """Fetches an archive to where it can be read in any order."""
        with Spool(stored.size_bytes) as spool:
            async for chunk in self._archives.stream(stored.archive_key):
                await asyncio.to_thread(spool.write, chunk)
            yield await asyncio.to_thread(StoredArchive, spool.file, stored.spec.root)
