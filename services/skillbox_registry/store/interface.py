"""What the commands ask of the places where skills are kept."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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


class UploadKeys(Protocol):
    """Remembers which upload an idempotency key belongs to, and what it was answered."""

    async def claim(self, tenant_id: str, key: str, digest: str) -> str | None:
        """Takes a key for an upload; returns the answer that it got already, if it did.

        Raises:
            IdempotencyKeyReused: The key belongs to an upload of other bytes.
        """
        ...

    async def answer(self, tenant_id: str, key: str, reply: str) -> str:
        """Remembers the answer to an upload; returns the first one."""
        ...

    async def release(self, tenant_id: str, key: str) -> None:
        """Gives a key back whose upload was refused."""
        ...


class ArchiveStore(Protocol):
    async def put(self, key: str, body: bytes | IO[bytes], content_type: str) -> None: ...

    def stream(self, key: str) -> AsyncIterator[bytes]: ...


class ArchiveList(Protocol):
    """Which archives are stored, and for how long nobody has needed them."""

    async def claim(self, digest: str) -> None:
        """Tells that an archive is about to be stored for a version."""
        ...

    async def mark_unneeded(self) -> None:
        """Notes from now on which archives no version has."""
        ...

    async def remove_one(self, unneeded_s: float, remove: Callable[[str], Awaitable[None]]) -> bool:
        """Removes an archive that no version has had for `unneeded_s` seconds.

        Args:
            remove: Called with its digest. Nobody stores the same archive meanwhile.

        Returns:
            Whether there was one.
        """
        ...
