"""Every rule that an archive must keep, with an archive that breaks it."""

import io
import stat
import struct
import zipfile
import zlib

import pytest

from skillbox_registry.archive import UnsafeArchive, open_archive
from skillbox_registry.limits import Limits
from tests.unit.registry.zips import (
    SKILL_MD,
    SYMLINK,
    RawZip,
    skill_zip,
    zip_of,
    zip_with_entry,
    zip_with_mode,
)

SMALL = Limits(max_entries=20, max_unpacked=100_000, max_ratio=100)


def refusal(content: bytes, limits: Limits = SMALL) -> str:
    with pytest.raises(UnsafeArchive) as caught, open_archive(io.BytesIO(content), limits):
        pass
    return str(caught.value)


def encrypted() -> bytes:
    return RawZip().skill().add(b"secret", b"text", flags=1).bytes()


def nested_overlap() -> bytes:
    """Many names for one large piece of data: the bomb that needs no nesting."""
    zipped = RawZip().skill()
    start = len(zipped.body)
    zipped.add(b"a", b"x" * 1000)
    return zipped.add(b"a", b"x" * 1000, central_name=b"b", local=False, offset=start).bytes()


def quoted_overlap() -> bytes:
    """One entry whose data holds the header of the next."""
    inner = RawZip().add(b"inner", b"y" * 50)
    zipped = RawZip().skill()
    start = len(zipped.body)
    zipped.add(b"outer", bytes(inner.body), method=0)
    offset = start + 30 + len(b"outer")
    return zipped.add(b"inner", b"y" * 50, local=False, offset=offset).bytes()


def understated(crc: int) -> bytes:
    """States ten bytes and holds many more."""
    return RawZip().skill().add(b"bomb", b"z" * 5000, stated_size=10, crc=crc).bytes()


HOSTILE = {
    "empty": (b"", "no end record"),
    "text": (b"I am no zip", "no end record"),
    "gzip": (b"\x1f\x8b" + b"\0" * 100, "no end record"),
    "truncated": (skill_zip()[:-30], "no end record"),
    "cut in front": (skill_zip()[10:], "cut, or something precedes"),
    "data in front": (b"MZ" + skill_zip(), "cut, or something precedes"),
    "data behind": (skill_zip() + b"more", "cut, or something precedes"),
    "damaged data": (skill_zip().replace(b"PK\3\4", b"PK\3\5", 1), "not a zip archive"),
    "absolute": (zip_of({"SKILL.md": SKILL_MD, "/etc/passwd": ""}), "absolute name"),
    "parent": (zip_of({"SKILL.md": SKILL_MD, "../x": ""}), ".. in its name"),
    "parent inside": (zip_of({"SKILL.md": SKILL_MD, "a/../../x": ""}), ".. in its name"),
    "parent at the end": (zip_of({"SKILL.md": SKILL_MD, "a/..": ""}), ".. in its name"),
    "backslash": (zip_of({"SKILL.md": SKILL_MD, "a\\b": ""}), "backslash"),
    "drive": (zip_of({"SKILL.md": SKILL_MD, "C:x": ""}), "names a drive"),
    "drive with a folder": (zip_of({"SKILL.md": SKILL_MD, "c:/x": ""}), "names a drive"),
    "network share": (zip_of({"SKILL.md": SKILL_MD, "//host/x": ""}), "absolute name"),
    "nul": (RawZip().skill().add(b"a\0b", b"").bytes(), "control character"),
    "newline": (zip_of({"SKILL.md": SKILL_MD, "a\nb": ""}), "control character"),
    "no name": (RawZip().skill().add(b"", b"").bytes(), "empty part"),
    "only a slash": (RawZip().skill().add(b"/", b"").bytes(), "absolute name"),
    "double slash": (zip_of({"SKILL.md": SKILL_MD, "a//b": ""}), "empty part"),
    "dot": (zip_of({"SKILL.md": SKILL_MD, "./a": ""}), "empty part"),
    "long part": (zip_of({"SKILL.md": SKILL_MD, "x" * 256: ""}), "part that is too long"),
    "long name": (zip_of({"SKILL.md": SKILL_MD, "x/" * 600 + "y": ""}), "name that is too long"),
    "bad utf-8": (RawZip().skill().add(b"\xff\xfe", b"", flags=0x800).bytes(), "not a zip archive"),
    "symlink": (zip_with_mode("link", SYMLINK), "symbolic link"),
    "device": (zip_with_mode("tty", stat.S_IFCHR | 0o666), "device"),
    "block device": (zip_with_mode("disk", stat.S_IFBLK | 0o666), "device"),
    "socket": (zip_with_mode("socket", stat.S_IFSOCK | 0o666), "device"),
    "link to a parent": (zip_with_mode("SKILL/", SYMLINK), "symbolic link"),
    "fifo": (zip_with_mode("pipe", stat.S_IFIFO | 0o666), "device"),
    "folder as file": (zip_with_mode("folder", stat.S_IFDIR | 0o755), "or the reverse"),
    "file as folder": (zip_with_mode("file/", stat.S_IFREG | 0o644), "or the reverse"),
    "folder with content": (
        RawZip().skill().add(b"folder/", b"content").bytes(),
        "folder with content",
    ),
    "twins": (zip_of({"SKILL.md": SKILL_MD, "a.txt": "", "A.TXT": ""}), "the same name"),
    "twins beyond ascii": (
        zip_of({"SKILL.md": SKILL_MD, "stra\xdfe": "", "STRASSE": ""}),
        "the same name",
    ),
    "composed twins": (
        zip_of({"SKILL.md": SKILL_MD, "\xe9": "", "e\u0301": ""}),
        "the same name",
    ),
    "the same name twice": (RawZip().skill().skill().bytes(), "the same name"),
    "file and folder": (zip_of({"SKILL.md": SKILL_MD, "a": "", "a/": ""}), "the same name"),
    "file as parent": (
        zip_of({"SKILL.md": SKILL_MD, "a": "", "A/b": ""}),
        "lies in what is a file",
    ),
    "encrypted": (encrypted(), "is encrypted"),
    "strongly encrypted": (RawZip().skill().add(b"x", b"", flags=0x41).bytes(), "is encrypted"),
    "masked": (RawZip().skill().add(b"x", b"", flags=0x2000).bytes(), "is encrypted"),
    "aes": (RawZip().skill().add(b"x", b"", method=99).bytes(), "another method than deflate"),
    "bzip2": (
        zip_of({"SKILL.md": SKILL_MD}, compression=zipfile.ZIP_BZIP2),
        "another method than deflate",
    ),
    "lzma": (
        zip_of({"SKILL.md": SKILL_MD}, compression=zipfile.ZIP_LZMA),
        "another method than deflate",
    ),
    "ratio": (zip_of({"SKILL.md": SKILL_MD, "zeros": b"\0" * 90_000}), "over 100 times its size"),
    "size": (
        zip_of({"SKILL.md": SKILL_MD, "x": b"x" * 100_001}, compression=zipfile.ZIP_STORED),
        "more than 100000 bytes",
    ),
    "size together": (
        zip_of(
            {"SKILL.md": SKILL_MD, "x": b"x" * 60_000, "y": b"y" * 60_000},
            compression=zipfile.ZIP_STORED,
        ),
        "more than 100000 bytes",
    ),
    "states too little": (understated(zlib.crc32(b"z" * 5000)), "holds 5000 bytes but states 10"),
    "hides its rest": (understated(zlib.crc32(b"z" * 10)), "Bad CRC-32"),
    "states too much": (
        RawZip().skill().add(b"x", b"abc", stated_size=50_000).bytes(),
        "holds 3 bytes but states 50000",
    ),
    "wrong checksum": (RawZip().skill().add(b"x", b"abc", crc=1).bytes(), "Bad CRC-32"),
    "two names for one entry": (
        RawZip().skill().add(b"x", b"abc", central_name=b"y").bytes(),
        "not a zip archive",
    ),
    "shared data": (nested_overlap(), "overlap"),
    "header in data": (quoted_overlap(), "overlap"),
    "entry in the directory": (
        RawZip().skill().add(b"x", b"", local=False, offset=10**6).bytes(),
        "lies outside the archive",
    ),
    "64-bit size": (
        RawZip()
        .skill()
        .add(b"x", b"abc", stated_size=0xFFFFFFFF, extra=struct.pack("<2HQ", 1, 8, 2**40))
        .bytes(),
        f"holds 3 bytes but states {2**40}",
    ),
    "descriptor without a size": (
        RawZip().skill().add(b"x", b"abc", stated_size=0, flags=0x8).bytes(),
        "holds 3 bytes but states 0",
    ),
    "64-bit offset": (
        RawZip()
        .skill()
        .add(
            b"x",
            b"",
            local=False,
            offset=0xFFFFFFFF,
            extra=struct.pack("<2HQ", 1, 8, 2**64 - 1),
        )
        .bytes(),
        "not a zip archive",
    ),
    "many": (zip_of({"SKILL.md": SKILL_MD, **{f"f{n}": "" for n in range(20)}}), "more than 20"),
    "more than stated": (RawZip().skill().add(b"x", b"").bytes(entries=1), "number of entries"),
    "fewer than stated": (RawZip().skill().bytes(entries=2), "number of entries"),
    "large directory": (
        RawZip().skill().add(b"x", b"", extra=b"\xff\xff\xf0\x0f" + b"\0" * 0xFF0).bytes(),
        "directory is too large",
    ),
    "no SKILL.md": (zip_of({"main.py": ""}), "no SKILL.md"),
    "other case": (zip_of({"skill.md": SKILL_MD}), "no SKILL.md"),
    "two top folders": (zip_of({"a/SKILL.md": SKILL_MD, "b/x": ""}), "no SKILL.md"),
    "too deep": (zip_of({"a/b/SKILL.md": SKILL_MD}), "no SKILL.md"),
    "no entries": (zip_of({}), "no SKILL.md"),
}


@pytest.mark.parametrize(("content", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused(content: bytes, expected: str) -> None:
    assert expected in refusal(content)


def test_a_real_archive_of_millions_of_entries_is_refused_before_it_is_read() -> None:
    # The 64-bit form, in which the end record itself cannot say how many there are.
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"f{number}"), b"")
    assert "more than 2000 entries" in refusal(out.getvalue(), Limits())


def test_an_archive_in_an_archive_is_a_file() -> None:
    """It is never opened, so what is packed in it does no harm."""
    bomb = zip_of({"zeros": bytes(50_000_000)})
    content = zip_of({"SKILL.md": SKILL_MD, "inner.zip": bomb}, compression=zipfile.ZIP_STORED)
    with open_archive(io.BytesIO(content), SMALL) as archive:
        assert archive.read("inner.zip", len(bomb)) == bomb


def test_a_hidden_64_bit_record_is_refused() -> None:
    content = skill_zip()
    end = content.rindex(b"PK\5\6")
    assert "more than 20 entries" in refusal(content[:end] + b"PK\6\7" + b"\0" * 16 + content[end:])


def test_the_default_limits_are_those_of_the_format() -> None:
    assert Limits().max_entries == 2000
    assert Limits().max_unpacked == 200 * 1024 * 1024
    assert Limits().max_ratio == 100


def test_all_bad_names_are_listed_and_a_flood_is_cut() -> None:
    few = refusal(zip_of({"SKILL.md": SKILL_MD, "../a": "", "b\\c": ""}))
    assert "'../a'" in few
    assert "'b\\\\c'" in few
    files = {f"../{number}": "" for number in range(100)}
    flood = refusal(zip_of({"SKILL.md": SKILL_MD, **files}), Limits())
    assert "and 80 more problems" in flood
    assert "'../99'" not in flood


def test_an_archive_at_its_limits_passes() -> None:
    files: dict[str, str | bytes] = {"SKILL.md": SKILL_MD}
    files |= {f"f{number}": "" for number in range(18)}
    files["rest"] = b"x" * (100_000 - len(SKILL_MD))
    content = zip_of(files, compression=zipfile.ZIP_STORED)
    with open_archive(io.BytesIO(content), SMALL) as archive:
        assert len(archive.files) == 20


@pytest.mark.parametrize(
    ("files", "root", "found"),
    [
        ({"SKILL.md": SKILL_MD, "scripts/main.py": ""}, "", {"SKILL.md", "scripts/main.py"}),
        ({"demo/SKILL.md": SKILL_MD, "demo/a/b": ""}, "demo/", {"SKILL.md", "a/b"}),
        ({"demo/": "", "demo/SKILL.md": SKILL_MD, "demo/a/": ""}, "demo/", {"SKILL.md"}),
        # What the Finder makes.
        ({"d/SKILL.md": SKILL_MD, "__MACOSX/d/._SKILL.md": "x"}, "d/", {"SKILL.md"}),
        (
            {"SKILL.md": SKILL_MD, "\u65e5\u672c/\xe9.txt": ""},
            "",
            {"SKILL.md", "\u65e5\u672c/\xe9.txt"},
        ),
    ],
)
def test_one_top_folder_is_stripped(
    files: dict[str, str | bytes], root: str, found: set[str]
) -> None:
    with open_archive(io.BytesIO(zip_of(files)), SMALL) as archive:
        assert archive.root == root
        assert archive.files == found
        assert archive.read("SKILL.md", 1000) == SKILL_MD.encode()


def test_an_archive_with_a_comment_and_data_descriptors_passes() -> None:
    class Unseekable(io.RawIOBase):
        """A pipe: the writer cannot go back, so sizes follow the data."""

        def __init__(self) -> None:
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.content += bytes(data)  # type: ignore[call-overload]  # any buffer
            return len(bytes(data))  # type: ignore[call-overload]  # any buffer

    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"made by a pipe"
        archive.writestr("SKILL.md", SKILL_MD)
        archive.writestr("main.py", "print()")
    with open_archive(io.BytesIO(bytes(out.content)), SMALL) as opened:
        assert opened.files == {"SKILL.md", "main.py"}


def test_a_read_is_bounded() -> None:
    with (
        open_archive(io.BytesIO(skill_zip()), SMALL) as archive,
        pytest.raises(ValueError, match="larger than 5 bytes"),
    ):
        archive.read("SKILL.md", 5)


def test_the_file_stays_open_for_its_owner() -> None:
    file = io.BytesIO(skill_zip())
    with open_archive(file, SMALL):
        pass
    assert not file.closed
    assert zip_with_entry(zipfile.ZipInfo("x"))
