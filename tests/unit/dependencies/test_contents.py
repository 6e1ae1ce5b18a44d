import io
import tarfile

import pytest

from skillbox_executor.dependencies import contents
from skillbox_executor.dependencies.contents import pack, unpack
from skillbox_executor.dependencies.errors import DependencyError

MIB = 1024 * 1024


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            entry = tarfile.TarInfo(member[0])
            entry.size, entry.mode, entry.mtime, entry.uid = len(member[1]), 0o6777, 7, 1
            archive.addfile(entry, io.BytesIO(member[1]))
    out.seek(0)
    return out


def of(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


def packed(*members: tuple[str, bytes] | tarfile.TarInfo, most: int = MIB) -> tuple[bytes, str]:
    target = io.BytesIO()
    digest = pack(tar(*members), target, strip="files/", max_bytes=most)
    return target.getvalue(), digest


def test_the_same_files_are_the_same_set_in_any_order() -> None:
    one = packed(("./files/a.py", b"1"), ("files/b/c.py", b"2"))
    other = packed(("files/b/c.py", b"2"), ("files/a.py", b"1"))
    assert one == other
    assert packed(("files/a.py", b"2"))[1] != one[1]


def test_a_set_comes_out_as_plain_files_behind_a_prefix() -> None:
    content, _ = packed(("files/a.py", b"1"), of("files/b", tarfile.DIRTYPE), ("other", b"x"))
    target = io.BytesIO()
    unpack(io.BytesIO(content), target, prefix="x/", max_bytes=MIB)
    target.seek(0)
    with tarfile.open(fileobj=target) as archive:
        [member] = archive.getmembers()
    assert (member.name, member.mode, member.uid, member.mtime) == ("x/a.py", 0o755, 0, 0)


@pytest.mark.parametrize(
    "member",
    [
        of("files/a", tarfile.SYMTYPE, "/etc/passwd"),
        of("files/a", tarfile.LNKTYPE, "files/b"),
        of("files/a", tarfile.CHRTYPE),
        of("files/a", tarfile.FIFOTYPE),
        ("files/../a", b""),
        ("files//etc/passwd", b""),
        ("files/a/./b", b""),
        ("files/" + "a" * 2000, b""),
    ],
)
@pytest.mark.parametrize("direction", ["in", "out"])
def test_anything_but_plain_files_is_refused(
    member: tuple[str, bytes] | tarfile.TarInfo, direction: str
) -> None:
    if direction == "in":
        with pytest.raises(DependencyError, match="no plain file"):
            packed(member)
    else:
        import gzip

        content = gzip.compress(tar(member).getvalue())
        with pytest.raises(DependencyError):
            unpack(io.BytesIO(content), io.BytesIO(), prefix="", max_bytes=MIB)


def test_a_name_comes_once() -> None:
    with pytest.raises(DependencyError, match="no plain file"):
        packed(("files/a", b"1"), ("./files/a", b"2"))


def test_sizes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DependencyError, match="too large"):
        packed(("files/a", bytes(60)), ("files/b", bytes(60)), most=100)
    content, _ = packed(("files/a", bytes(1000)))
    with pytest.raises(DependencyError, match="too large"):
        unpack(io.BytesIO(content), io.BytesIO(), prefix="", max_bytes=999)
    monkeypatch.setattr(contents, "MAX_FILES", 1)
    with pytest.raises(DependencyError, match="too large"):
        packed(("files/a", b""), ("files/b", b""))


@pytest.mark.parametrize("content", [b"", b"nonsense", packed(("files/a", b"1"))[0][:40]])
def test_what_is_broken_is_refused(content: bytes) -> None:
    with pytest.raises(DependencyError):
        unpack(io.BytesIO(content), io.BytesIO(), prefix="", max_bytes=MIB)
