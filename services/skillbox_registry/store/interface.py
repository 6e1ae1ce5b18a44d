"""What the commands ask of the places where skills are kept."""

from collections.abc import AsyncIterator, Sequence
from typing import IO, Protocol

from skillbox_registry.skill import SkillSpec, SkillSummary, StoredSkill


class SkillReader(Protocol):
    async def find(self, tenant_id: str, name: str, version: str) -> StoredSkill | None: ...

    async def find_latest(self, tenant_id: str, name: str) -> StoredSkill | None:
        """Returns the highest release, or the highest pre-release when there is no release."""
        ...

    async def list(
        self, tenant_id: str, *, name: str, after: tuple[str, str], limit: int | None
    ) -> Sequence[SkillSummary]:
        """Returns versions by name and then by SemVer, at most `limit`.

        Args:
            name: Limits the list to one skill; empty for all.
            after: Name and sort key of the version before the first.
        """
        ...

    async def list_versions(
        self, tenant_id: str, name: str, *, before: str | None, limit: int
    ) -> Sequence[SkillSummary]:
        """Returns versions of one skill, highest first, at most `limit`.

        Args:
            before: Sort key of the version before the first; `None` to begin with the highest.
        """
        ...


class SkillStore(SkillReader, Protocol):
    async def put(
        self, tenant_id: str, spec: SkillSpec, digest: str, size_bytes: int, *, replace: bool
    ) -> StoredSkill:
        """Stores a version and returns what is stored now: another one when not `replace`."""
        ...

    async def delete(self, tenant_id: str, name: str, version: str) -> bool:
        """Tells whether there was such a version."""
        ...


class ArchiveStore(Protocol):
    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None: ...

    def stream(self, key: str) -> AsyncIterator[bytes]: ...
