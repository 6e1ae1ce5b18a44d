"""Builds archives for tests: good ones, and ones that no tool would write."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping

SKILL_MD = "---\nname: demo\ndescription: Shows something.\n---\n# Demo\n"
MAIN = "print('hello')\n"


def skill_md(extra: str = "", *, name: str = "demo", version: str = "1.0.0") -> str:
    """Returns a SKILL.md whose front matter ends with the lines `extra`."""
    return (
        f'---\nname: {name}\nversion: "{version}"\ndescription: Shows something.\n{extra}\n---\n'
        "# Demo\n\nDo it.\n"
    )


def zip_of(files: Mapping[str, str | bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return out.getvalue()


def skill_zip(extra: str = "", *, name: str = "demo", version: str = "1.0.0") -> bytes:
    """Returns a skill that can run."""
    return zip_of(
        {"SKILL.md": skill_md(extra, name=name, version=version), "scripts/main.py": MAIN}
    )


def zip_with_entry(info: zipfile.ZipInfo, content: bytes = b"") -> bytes:
    """Returns a skill with one more entry, as `info` describes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("SKILL.md", SKILL_MD)
        archive.writestr(info, content)
    return out.getvalue()


def zip_with_mode(name: str, mode: int) -> bytes:
    """Returns a skill with an entry of an odd kind."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return zip_with_entry(info, b"target")


SYMLINK = stat.S_IFLNK | 0o777


class RawZip:
    """Writes a zip byte by byte, so that its parts may contradict each other."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.directory = bytearray()
        self.entries = 0

    def add(
        self,
        name: bytes,
        content: bytes,
        *,
        central_name: bytes | None = None,
        stated_size: int | None = None,
        crc: int | None = None,
        flags: int = 0,
        method: int = 8,
        local: bool = True,
        offset: int | None = None,
        extra: bytes = b"",
    ) -> "RawZip":
        """Adds an entry; without `local` only to the directory, at `offset`."""
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = packer.compress(content) + packer.flush() if method == 8 else content
        size = len(content) if stated_size is None else stated_size
        crc = zlib.crc32(content) if crc is None else crc
        at = len(self.body) if offset is None else offset
        common = struct.pack("<4HL2L", flags, method, 0, 33, crc, len(data), size)
        if local:
            self.body += struct.pack("<4sH", b"PK\3\4", 20) + common
            self.body += struct.pack("<2H", len(name), 0) + name + data
        central = name if central_name is None else central_name
        self.directory += struct.pack("<4s2H", b"PK\1\2", 20, 20) + common
        self.directory += struct.pack("<5H2L", len(central), len(extra), 0, 0, 0, 0, at)
        self.directory += central + extra
        self.entries += 1
        return self

    def skill(self) -> "RawZip":
        return self.add(b"SKILL.md", SKILL_MD.encode())

    def bytes(self, *, entries: int | None = None, shift: int = 0, comment: bytes = b"") -> bytes:
        count = self.entries if entries is None else entries
        end = struct.pack(
            "<4s4H2LH",
            b"PK\5\6",
            0,
            0,
            count,
            count,
            len(self.directory),
            len(self.body) + shift,
            len(comment),
        )
        return bytes(self.body + self.directory) + end + comment
