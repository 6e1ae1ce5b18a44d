"""The one directory in which a local stack keeps everything that survives a restart."""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skillbox_local.errors import LocalError


@dataclass(frozen=True)
class DataDir:
    """Where things are. Only `create` and the methods that say so touch the disk."""

    root: Path

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def s3(self) -> Path:
        return self.root / "s3"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def supervisor_log(self) -> Path:
        return self.logs / "supervisor.log"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def envoy_config(self) -> Path:
        return self.root / "envoy.json"

    @property
    def api_key(self) -> Path:
        return self.root / "api-key"

    @property
    def _lock(self) -> Path:
        return self.root / "lock"

    def create(self) -> None:
        """Makes the folders.

        Raises:
            LocalError: The directory cannot be made or written.
        """
        try:
            # Others may pass through at most: Postgres runs as another user under root.
            self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
            for folder in (self.s3, self.logs):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._lock.touch(mode=0o600)
        except OSError as error:
            raise LocalError(f"cannot use the data directory {self.root}: {error}") from error

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_hex(20)) -> str:
        """Returns a value that is made once and kept readable for its owner alone."""
        path = self.root / name
        if not path.exists():
            self.write_secret(path, make())
        return path.read_text().strip()

    def executor_id(self, replica: int = 1) -> str:
        """Returns the owner of the boxes of one Executor, the same over restarts."""
        first = self.secret("executor-id", lambda: f"local-{secrets.token_hex(8)}")
        return first if replica == 1 else f"{first}-{replica}"

    def write_secret(self, path: Path, value: str) -> None:
        """Replaces a file that only its owner may read."""
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(value + "\n")
        new.replace(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the directory. The kernel lets go when the process ends, however it ends.

        Raises:
            LocalError: Another supervisor holds it.
        """
        with self._lock.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalError(
                    f"the data directory {self.root} is in use by a running Skillbox "
                    f"(pid {file.read().strip()}): see `skillbox status`, end it with "
                    "`skillbox down`, or choose another --data-dir"
                ) from None
            file.truncate()
            file.write(str(os.getpid()))
            file.flush()
            yield

    def holder(self) -> int | None:
        """Returns the pid of the supervisor that holds the directory right now."""
        try:
            with self._lock.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return int(file.read())
        except (OSError, ValueError):
            pass
        return None
