"""What an upload may ask for and how large it may be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Every limit of the validator; the defaults are those of a server without settings.

    Attributes:
        max_memory: Bytes that `resources.memory` may ask for.
        max_cpu: Cores that `resources.cpu` may ask for.
        max_entries: Files and folders in an archive.
        max_unpacked: Bytes of all files together.
        max_ratio: Unpacked bytes for each byte of the archive.
    """

    max_memory: int = 1024 * 1024 * 1024
    max_cpu: float = 4.0
    max_entries: int = 2_000
    max_unpacked: int = 200 * 1024 * 1024
    max_ratio: int = 100
