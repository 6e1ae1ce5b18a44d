"""Where the host of an engine keeps dependency sets."""

from typing import IO, Protocol

from skillbox_executor.sandbox.interface import Language, Profile


class Shelf(Protocol):
    """Copies of dependency sets that boxes can mount.

    A set is there as a whole or not at all: it becomes visible in one step. Every method raises
    `SandboxError` when the engine or the host cannot do it.
    """

    async def interpreter(self, image: str, language: Language) -> str:
        """Returns what tells an interpreter, and the system below it, from all others."""
        ...

    async def has(self, profile: Profile) -> bool:
        """Tells whether the profile's set is there."""
        ...

    async def add(self, profile: Profile, tar: IO[bytes]) -> None:
        """Puts the profile's set there from its compressed tar. Doing it twice does no harm."""
        ...

    async def remove(self, digest: str) -> None:
        """Removes a set that no box uses; it need not be there."""
        ...

    async def close(self) -> None:
        """Closes its connections."""
        ...
