"""A tenant's skills in one file: a tar of their archives, and what they are.

`skills/NAME/VERSION.zip` are the archives byte for byte as they were uploaded. The last member,
`manifest.json`, lists them with their digests: a file without it is not complete.
"""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from skillbox.client import APIError, Client

_MANIFEST = "manifest.json"
_FORMAT = 1
_LARGEST_MANIFEST = 64 * 1024 * 1024
_NOT_FOUND = 404


class BackupError(Exception):
    """A backup cannot be made or is not valid; the text says why."""


class Restored(StrEnum):
    """What became of one version."""

    IMPORTED = "imported"
    UNCHANGED = "unchanged"
    REPLACED = "replaced"
    DIFFERS = "differs"


@dataclass(frozen=True)
class Entry:
    """One version of a skill in a backup.

    Attributes:
        digest: SHA-256 of its archive, 64 hexadecimal digits.
    """

    name: str
    version: str
    digest: str

    @property
    def path(self) -> str:
        return f"skills/{self.name}/{self.version}.zip"


def export_skills(client: Client, path: str | os.PathLike[str]) -> Iterator[Entry]:
    """Writes every version of every skill of the key's tenant to `path`.

    The file appears when it is complete; until then it has another name beside it.

    Yields:
        Each version once it is written.

    Raises:
        BackupError: An archive that came is not the one that its record describes.
        APIError: The server refused, or was lost.
    """
    target = Path(path)
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name}-", delete=False
    ) as file:
        try:
            with tarfile.open(fileobj=file, mode="w") as archive:
                entries = []
                for skill in client.list_skills():
                    entry = _export(client, archive, skill.name, skill.version)
                    entries.append(entry)
                    yield entry
                _add(archive, _MANIFEST, _manifest(entries))
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def import_skills(
    client: Client, path: str | os.PathLike[str], *, replace: bool = False
) -> Iterator[tuple[Entry, Restored]]:
    """Uploads the skills of a backup. Nothing is sent before all of it was found valid.

    Args:
        replace: Also upload versions that the server has with other bytes.

    Yields:
        Each version and what became of it; `differs` was left as it is.

    Raises:
        BackupError: The file is no complete backup.
        APIError: The server refused, or was lost.
    """
    with Path(path).open("rb") as file, _opened(file) as archive:
        entries = _checked(archive)
        for entry in entries:
            there = _digest(client, entry)
            if there == entry.digest:
                yield entry, Restored.UNCHANGED
            elif there and not replace:
                yield entry, Restored.DIFFERS
            else:
                _upload(client, archive, entry)
                yield entry, Restored.REPLACED if there else Restored.IMPORTED


def _export(client: Client, archive: tarfile.TarFile, name: str, version: str) -> Entry:
    digest = client.get_skill(name, version).digest
    content = client.download_skill(name, version)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BackupError(
            f"{name} {version}: the archive that came is not the one that is recorded; "
            "was it replaced meanwhile? Try again."
        )
    entry = Entry(name, version, digest)
    _add(archive, entry.path, content)
    return entry


def _manifest(entries: list[Entry]) -> bytes:
    manifest = {"format": _FORMAT, "skills": [asdict(entry) for entry in entries]}
    return json.dumps(manifest, indent=2).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _opened(file: IO[bytes]) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=file, mode="r:")
    except tarfile.TarError as error:
        raise BackupError(f"the file is no backup: {error}") from error


def _checked(archive: tarfile.TarFile) -> list[Entry]:
    """Reads the manifest and compares every archive with it."""
    try:
        manifest = json.loads(_read(archive, _MANIFEST, _LARGEST_MANIFEST))
        entries = [_entry(item) for item in manifest["skills"]]
        known = manifest["format"] == _FORMAT
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise BackupError("the backup is not complete: its manifest cannot be read") from error
    if not known:
        raise BackupError(f"this version reads backups of format {_FORMAT} only")
    for entry in entries:
        if _sha256(archive, entry) != entry.digest:
            raise BackupError(f"{entry.name} {entry.version}: its archive is damaged")
    return entries


def _entry(item: Any) -> Entry:
    entry = Entry(item["name"], item["version"], item["digest"])
    if not all(isinstance(value, str) for value in (entry.name, entry.version, entry.digest)):
        raise ValueError("expected text")
    return entry


def _read(archive: tarfile.TarFile, name: str, most: int) -> bytes:
    member = archive.getmember(name)
    file = archive.extractfile(member)
    if file is None or member.size > most:
        raise ValueError(f"{name} is no file of {most} bytes at most")
    return file.read()


def _sha256(archive: tarfile.TarFile, entry: Entry) -> str:
    try:
        file = archive.extractfile(entry.path)
        return hashlib.file_digest(file, "sha256").hexdigest() if file else ""  # type: ignore[arg-type]  # it is a binary file, which its type does not say
    except (tarfile.TarError, KeyError, OSError):
        return ""


def _digest(client: Client, entry: Entry) -> str:
    """Returns what the server has for a version; empty when it has none."""
    try:
        return client.get_skill(entry.name, entry.version).digest
    except APIError as error:
        if error.status_code != _NOT_FOUND:
            raise
        return ""


def _upload(client: Client, archive: tarfile.TarFile, entry: Entry) -> None:
    file = archive.extractfile(entry.path)
    assert file is not None, "checked before"
    with tempfile.TemporaryDirectory() as folder:
        zipped = Path(folder, "skill.zip")
        zipped.write_bytes(file.read())
        stored = client.upload_skill(zipped)
    if (stored.name, stored.version) != (entry.name, entry.version):
        raise BackupError(
            f"{entry.path} holds {stored.name} {stored.version}, which is uploaded now: "
            "the manifest was not written by an export"
        )
