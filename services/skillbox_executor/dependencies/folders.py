"""Dependency sets for bubblewrap: a folder of the host for each."""

import asyncio
import os
import platform
import secrets
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePath
from typing import IO

from skillbox_executor.dependencies import contents
from skillbox_executor.sandbox.bubblewrap_command import check_interpreter
from skillbox_executor.sandbox.interface import PACKAGES, EngineUnavailable, Language, Profile

_PACKAGES = PurePath(PACKAGES).name
_VERSION_S = 10.0


class Folders:
    """Keeps sets in a folder that the driver mounts from.

    Args:
        max_bytes: Of one set.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._versions: dict[tuple[Path, int], str] = {}

    async def interpreter(self, image: str, language: Language) -> str:
        program = check_interpreter(language)
        key = program, program.stat().st_mtime_ns
        if key not in self._versions:
            self._versions[key] = await _version(program)
        # Other hosts may have the same interpreter on another system.
        return " ".join([self._versions[key], platform.machine(), *platform.libc_ver()])

    async def has(self, profile: Profile) -> bool:
        return (self._root / profile.dependencies / _PACKAGES).is_dir()

    async def add(self, profile: Profile, tar: IO[bytes]) -> None:
        try:
            await asyncio.to_thread(self._add, self._root / profile.dependencies, tar)
        except OSError as error:
            raise EngineUnavailable(
                f"the packages cannot be written to {self._root}: {error.strerror}"
            ) from error

    async def remove(self, digest: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._root / digest, ignore_errors=True)

    async def close(self) -> None:
        """There is nothing to close."""

    def _add(self, folder: Path, source: IO[bytes]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        filling = folder / f".filling-{secrets.token_hex(8)}"
        try:
            with tempfile.TemporaryFile(dir=folder) as plain:
                contents.unpack(source, plain, prefix="", max_bytes=self._max_bytes)
                plain.seek(0)
                _extract(plain, filling)
            # A half of it must not be seen after a power failure either.
            os.sync()
            try:
                filling.rename(folder / _PACKAGES)
            except OSError:
                if not (folder / _PACKAGES).is_dir():
                    raise  # else somebody was faster
        finally:
            shutil.rmtree(filling, ignore_errors=True)


def _extract(plain: IO[bytes], folder: Path) -> None:
    """Writes the files of a tar whose names were checked."""
    folder.mkdir(mode=0o755)
    with tarfile.open(fileobj=plain, mode="r:") as tar:
        for member in tar:
            path = folder / member.name
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            content = tar.extractfile(member)
            assert content is not None, "only regular files are in it"
            with path.open("xb") as target:
                shutil.copyfileobj(content, target)
            path.chmod(member.mode)


async def _version(program: Path) -> str:
    """Returns what an interpreter says its version is."""
    process = await asyncio.create_subprocess_exec(
        program,
        "--version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={},
    )
    try:
        async with asyncio.timeout(_VERSION_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise EngineUnavailable(f"{program} does not tell its version") from None
    return said.decode(errors="replace").strip()
