"""Makes a dependency set in a builder: a box of its own, with nothing of a skill's to run."""

import asyncio
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import IO
from urllib.parse import urlsplit

from skillbox_common.units import format_duration
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies import contents
from skillbox_executor.dependencies.boxes import Done, program, run_program, tar_of
from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.dependencies.wanted import Wanted
from skillbox_executor.results import ResultError, ResultSink
from skillbox_executor.sandbox.interface import Driver, Language, Limits, Payload, Profile, Role

_MIB = 1024 * 1024
# What a builder needs beside the packages that it holds in memory.
_PROGRAMS = 256 * _MIB
_CPUS = 2.0
# Of a builder without network, which is a box like any other.
_VENDORED_SANDBOX = 256 * _MIB
_SHOWN = 2000
_PADDING = bytes(10_240)
_USER_INFO = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Built:
    """A new set.

    Attributes:
        file: Its compressed tar, at its start; the owner closes it.
        digest: SHA-256 of the file.
    """

    file: IO[bytes]
    digest: str
    size: int


class Installer:
    """Installs packages where the settings allow it."""

    def __init__(self, driver: Driver, settings: ExecutorSettings) -> None:
        self._driver = driver
        self._settings = settings

    @property
    def max_bytes(self) -> int:
        """The most that a set may have, unpacked."""
        return self._settings.builder_memory

    async def build(self, wanted: Wanted, image: str, runtime: str) -> Built:
        """Installs what is wanted for the interpreter of an image.

        Raises:
            DependencyError: It cannot be installed; the text has what the installer said.
            SandboxError: There is no box to do it in.
        """
        if not wanted.vendored and self._settings.dependencies != "on":
            raise DependencyError(
                "this server installs only packages that the archive brings (wheels/ or "
                "node_modules/); its operator can set SKILLBOX_DEPENDENCIES=on"
            )
        profile = self._profile(wanted, image, runtime)
        timeout = self._settings.builder_timeout
        # Collects what may be as large as the box's own memory, mostly on disk.
        sink = ResultSink(profile.limits.sandbox_bytes)
        try:
            payload = await asyncio.to_thread(self._payload, wanted)
            done = await run_program(self._driver, profile, payload, timeout, sink)
            if done.exit_code != 0 or done.end is None or done.end.truncated:
                raise DependencyError(_why(done))
            sink.file.seek(0)
            return await asyncio.to_thread(self._pack, sink.file)
        except TimeoutError:
            raise DependencyError(
                f"installing took longer than {format_duration(timeout)}"
            ) from None
        except ResultError:
            raise DependencyError("the installed packages are too large") from None
        finally:
            sink.close()

    def _pack(self, left: IO[bytes]) -> Built:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
        try:
            digest = contents.pack(left, file, strip="files/", max_bytes=self.max_bytes)
        except BaseException:
            file.close()
            raise
        file.seek(0, 2)
        size = file.tell()
        file.seek(0)
        return Built(file, digest, size)

    def _profile(self, wanted: Wanted, image: str, runtime: str) -> Profile:
        cpus = min(_CPUS, self._settings.max_cpu)
        if wanted.vendored:
            limits = Limits(self._settings.max_memory, cpus, sandbox_bytes=_VENDORED_SANDBOX)
            return Profile(image, wanted.language, limits, runtime)
        memory = self._settings.builder_memory
        limits = Limits(memory, cpus, sandbox_bytes=memory - _PROGRAMS)
        return Profile(image, wanted.language, limits, runtime, Role.BUILD)

    def _payload(self, wanted: Wanted) -> Payload:
        name, source = program("install", wanted.language)
        tar = [tar_of({name: source, **wanted.files}), _PADDING]
        if wanted.language is Language.PYTHON:
            tar.insert(0, _pip())
        # The address goes in last, and only into a builder: it may hold a password.
        return Payload([name, *self._options(wanted)], {}, tar, max_files=contents.MAX_FILES)

    def _options(self, wanted: Wanted) -> Sequence[str]:
        if wanted.vendored:
            return ["--no-index", "--find-links=wheels"]
        python = wanted.language is Language.PYTHON
        setting = self._settings.pip_index_url if python else self._settings.npm_registry
        url = setting.get_secret_value()
        if not url:
            return []
        if not python:
            return [f"--registry={url}"]
        address = urlsplit(url)
        # The operator chose an index without TLS; pip wants to hear it again.
        trusted = [f"--trusted-host={address.hostname}"] if address.scheme == "http" else []
        return [f"--index-url={url}", *trusted]


@cache
def _pip() -> bytes:
    """Returns the pip of this very environment: an image may have none."""
    return tar_of({name: file.read_bytes() for name, file in _walk("pip", files("pip"))})


def _walk(name: str, folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir() and each.name != "__pycache__":
            yield from _walk(f"{name}/{each.name}", each)
        elif each.is_file() and not each.name.endswith((".pyc", ".exe")):
            yield f"{name}/{each.name}", each


def _why(done: Done) -> str:
    if done.out_of_memory:
        return "installing the packages ran out of memory"
    if done.end is not None and done.end.truncated:
        return f"the installed packages have more than {contents.MAX_FILES} files"
    return f"the packages could not be installed:\n{shown(done.said)}"


def shown(said: str) -> str:
    """Returns the end of what an installer said, without passwords."""
    plain = _ESCAPES.sub("", _USER_INFO.sub(r"\1***@", said)).replace("\0", "").strip()
    return plain[-_SHOWN:]
