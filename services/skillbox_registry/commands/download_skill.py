"""Hands an archive out, byte for byte as it came."""

from collections.abc import AsyncIterator

from skillbox_registry.commands.get_skill import get_skill
from skillbox_registry.store.interface import ArchiveStore, SkillReader


async def download_skill(
    skills: SkillReader, archives: ArchiveStore, tenant_id: str, name: str, version: str
) -> AsyncIterator[bytes]:
    """Yields the archive in chunks of 256 KiB at most.

    Raises:
        SkillNotFound: The tenant has no such version.
    """
    stored = await get_skill(skills, tenant_id, name, version)
    async for chunk in archives.stream(stored.archive_key):
        yield chunk
