"""Takes an archive in: receive, check, store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from skillbox_common.errors import SkillAlreadyExists
from skillbox_common.telemetry import tracing
from skillbox_registry.limits import Limits
from skillbox_registry.skill import StoredSkill, archive_key
from skillbox_registry.spool import Spool
from skillbox_registry.store.interface import ArchiveList, ArchiveStore, SkillStore, UploadKeys
from skillbox_registry.upload_body import UploadBody
from skillbox_registry.validate import ValidatedSkill, validate_archive

# A check keeps a core busy. Threads must be left to take the other uploads in meanwhile.
_CHECKS_AT_ONCE = 2


@dataclass(frozen=True)
class Uploaded:
    skill: StoredSkill
    warnings: tuple[str, ...]


class UploadSkill:
    """Stores a version. Nothing is stored of an upload that is refused.

    Args:
        max_size: Bytes that an archive may have.
        immutable: Whether other bytes for a stored version are refused, not taken.
    """

    def __init__(
        self,
        skills: SkillStore,
        archives: ArchiveStore,
        keys: UploadKeys,
        known: ArchiveList,
        *,
        limits: Limits,
        max_size: int,
        immutable: bool,
    ) -> None:
        self._skills = skills
        self._archives = archives
        self._keys = keys
        self._known = known
        self._limits = limits
        self._max_size = max_size
        self._immutable = immutable
        self._checking = asyncio.Semaphore(_CHECKS_AT_ONCE)

    async def __call__(
        self, tenant_id: str, chunks: AsyncIterator[bytes], body: UploadBody, key: str = ""
    ) -> Uploaded:
        """Reads `chunks` to their end, unless they are refused before.

        Args:
            key: Idempotency key; empty for none.

        Raises:
            IdempotencyKeyReused: The key belongs to an upload of other bytes.
            InvalidArgument: There is no archive in the body.
            InvalidSkill: The archive is refused.
            SkillTooLarge: It is larger than `max_size`.
            SkillAlreadyExists: Versions are immutable and this one has other bytes.
        """
        with Spool(self._max_size) as spool:
            with tracing.span("archive.receive"):
                async for chunk in chunks:
                    await asyncio.to_thread(body.write, chunk, spool)
                expected = body.finish(spool)
            with tracing.span("archive.validate"):
                async with self._checking:
                    validated = await asyncio.to_thread(validate_archive, spool.file, self._limits)
                expected.check(validated.spec)
            tracing.bind(skill_name=validated.spec.name, skill_version=validated.spec.version)
            if key:
                return await self._store_once(tenant_id, validated, spool, key)
            return await self._store(tenant_id, validated, spool)

    async def _store_once(
        self, tenant_id: str, validated: ValidatedSkill, spool: Spool, key: str
    ) -> Uploaded:
        reply = await self._keys.claim(tenant_id, key, spool.digest)
        if reply is None:
            try:
                uploaded = await self._store(tenant_id, validated, spool)
            except SkillAlreadyExists:
                await self._keys.release(tenant_id, key)
                raise
            text = msgspec.json.encode(uploaded).decode()
            reply = await self._keys.answer(tenant_id, key, text)
        return msgspec.json.decode(reply, type=Uploaded)

    async def _store(self, tenant_id: str, validated: ValidatedSkill, spool: Spool) -> Uploaded:
        spec = validated.spec
        stored = await self._skills.find(tenant_id, spec.name, spec.version)
        if stored is None or (stored.digest != spool.digest and not self._immutable):
            # The archive first: a row must never name one that is not there.
            with tracing.span("archive.store"):
                await self._known.claim(spool.digest)
                spool.file.seek(0)
                await self._archives.put(archive_key(spool.digest), spool.file, "application/zip")
            with tracing.span("version.record"):
                stored = await self._skills.put(
                    tenant_id, spec, spool.digest, spool.size, replace=not self._immutable
                )
        if stored.digest != spool.digest and self._immutable:
            raise SkillAlreadyExists(
                f"skill {spec.name}@{spec.version} already exists with other content"
            )
        return Uploaded(stored, validated.warnings)
