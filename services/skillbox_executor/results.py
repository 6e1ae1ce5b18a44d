"""Reads what a skill left in /sandbox/out. The tar comes from the box: hostile input."""

import gzip
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Self

from skillbox_executor import raw_json
from skillbox_executor.domain import Reason

OUTPUT = "output.json"
FILES = "files/"
MAX_OUTPUT = 4 * 1024 * 1024
_MAX_NAME = 4096
_MAX_FOLDERS = 10_000
# Of what stands before a member: its long name, or PAX records. It is read as a whole.
_MAX_PREFIX = 64 * 1024
_SPOOL = 1024 * 1024


class ResultError(Exception):
    """What the skill left cannot be taken.

    Attributes:
        reason: Which limit or rule it breaks.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ResultSink:
    """Collects the pieces of the tar, in memory while small, else in a temporary file."""

    def __init__(self, max_bytes: int) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - closed by the owner
        self._left = max_bytes
        self.size = 0

    def write(self, data: bytes) -> None:
        """Adds a piece.

        Raises:
            ResultError: The tar is larger than the box could hold.
        """
        self._left -= len(data)
        if self._left < 0:
            raise ResultError(Reason.ARTIFACT_LIMIT, "the skill left more data than allowed")
        self.size += len(data)
        self.file.write(data)

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True)
class Results:
    """What the skill left.

    Attributes:
        output_json: Compact JSON text, or `None`.
        files: Paths inside `archive`, sorted.
        archive: `files.tar.gz`, or `None` when there are no files. The caller closes it.
        problem: What is wrong with the output; the files can be had all the same.
    """

    output_json: str | None
    files: list[str]
    archive: IO[bytes] | None
    archive_size: int
    problem: ResultError | None


def read(tar: IO[bytes], max_files: int) -> Results:
    """Takes the output and packs the files anew. Blocking.

    `tar` is as it was written, at its end. Only regular files with plain relative names
    pass; links and devices are left out.

    Raises:
        ResultError: The tar is broken, or holds too many files.
    """
    if tar.tell() == 0:
        return Results(None, [], None, 0, None)
    tar.seek(0)
    output_json: str | None = None
    problem: ResultError | None = None
    with _Archive() as archive:
        try:
            for source, member in _members(tar, max_files + _MAX_FOLDERS):
                name = member.name.removeprefix("./")
                if name == OUTPUT:
                    try:
                        output_json = _read_output(source, member)
                    except ResultError as error:
                        problem = error
                elif member.isreg() and name.startswith(FILES):
                    path = safe_name(name.removeprefix(FILES))
                    if path in archive.files:
                        raise ResultError(Reason.RUNNER_FAULT, "a file came twice")
                    if len(archive.files) >= max_files:
                        raise ResultError(
                            Reason.ARTIFACT_LIMIT, f"the skill left more than {max_files} files"
                        )
                    archive.add(source, member, path)
            packed, size = archive.packed()
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise ResultError(
                Reason.RUNNER_FAULT, "the files of the skill cannot be read"
            ) from error
        return Results(output_json, sorted(archive.files), packed, size, problem)


def safe_name(name: str) -> str:
    """Returns `name` when it is a plain relative path.

    Raises:
        ResultError: It is absolute, empty, too long or leaves its folder.
    """
    if len(name) > _MAX_NAME:
        raise ResultError(
            Reason.ARTIFACT_LIMIT,
            f"the skill left a file whose path is over {_MAX_NAME} characters",
        )
    parts = name.split("/")
    if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise ResultError(Reason.RUNNER_FAULT, "a file has a name that is not allowed")
    return name


class _Member(tarfile.TarInfo):
    """A member that is no larger than what stands for it in the tar."""

    _PREFIXES = (
        *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
        *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    )

    def _proc_member(self, source: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.type in self._PREFIXES and self.size > _MAX_PREFIX:
            raise tarfile.ReadError("a header is too long")
        member: tarfile.TarInfo | None = super()._proc_member(source)  # type: ignore[misc] # not in the stubs
        if member is not None and member.sparse is not None:
            # A kilobyte can state terabytes of holes, which would be read as zeros.
            raise tarfile.ReadError("a file has holes")
        return member


def _members(tar: IO[bytes], most: int) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    with tarfile.open(fileobj=tar, mode="r:", errors="surrogateescape", tarinfo=_Member) as source:
        for number, member in enumerate(source):
            if number >= most:
                raise ResultError(
                    Reason.ARTIFACT_LIMIT, f"the skill left more than {most} files and folders"
                )
            # A name that is no UTF-8 cannot be shown as JSON. Two such names stay two.
            raw = member.name.encode(errors="surrogateescape")
            member.name = raw.decode(errors="backslashreplace")
            yield source, member


def _read_output(source: tarfile.TarFile, member: tarfile.TarInfo) -> str | None:
    if not member.isreg():
        raise ResultError(Reason.INVALID_OUTPUT, "output.json is not a regular file")
    if member.size > MAX_OUTPUT:
        raise ResultError(
            Reason.OUTPUT_LIMIT,
            f"output.json has {member.size} bytes, the limit is {MAX_OUTPUT}",
        )
    content = source.extractfile(member)
    data = content.read() if content else b""
    if not data.strip():
        return None
    try:
        return raw_json.compact(data)
    except ValueError as error:
        raise ResultError(
            Reason.INVALID_OUTPUT, f"output.json is not valid JSON: {error}"
        ) from None


class _Archive:
    """The files, packed anew; most runs leave none, and then it costs nothing.

    It is closed at the end of the context, unless it was handed over.
    """

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, source: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        """Copies a file under another name, and of its attributes those that are harmless."""
        if not self.files:
            self._begin()
        self.files.add(path)
        clean = tarfile.TarInfo(path)
        clean.size = member.size
        clean.mode = 0o755 if member.mode & 0o111 else 0o644
        clean.mtime = max(0, int(member.mtime))
        content = source.extractfile(member)
        if content is None:
            raise ResultError(Reason.RUNNER_FAULT, "a file has no content")
        self._tar.addfile(clean, content)

    def packed(self) -> tuple[IO[bytes] | None, int]:
        """Hands over what is complete now, and its size; `None` when there are no files."""
        if not self.files:
            return None, 0
        self._tar.close()
        self._zip.close()
        size = self._file.tell()
        self._file.seek(0)
        self._open.pop_all()
        return self._file, size

    def _begin(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - handed to the caller
        self._open.enter_context(self._file)
        self._zip = self._open.enter_context(
            gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1, mtime=0)
        )
        self._tar = tarfile.open(fileobj=self._zip, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed when complete
