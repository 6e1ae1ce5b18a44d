"""An upload on its way in: counted and hashed as it comes, on disk when it is large."""

import hashlib
import tempfile
from types import TracebackType
from typing import IO

from skillbox_common.errors import SkillTooLarge

_IN_MEMORY = 1024 * 1024


class Spool:
    """Holds the bytes of one archive. Blocking.

    Args:
        max_size: Most bytes that the archive may have.
    """

    def __init__(self, max_size: int) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - see __exit__
        self.size = 0
        self._max_size = max_size
        self._hash = hashlib.sha256()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of what was written, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Appends a chunk.

        Raises:
            SkillTooLarge: The archive exceeds the limit.
        """
        self.size += len(chunk)
        if self.size > self._max_size:
            raise SkillTooLarge(f"the archive is larger than {self._max_size} bytes")
        self._hash.update(chunk)
        self.file.write(chunk)
