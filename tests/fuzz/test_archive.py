"""Whatever bytes come: an archive is refused with a reason, or is harmless."""

import io
import tarfile
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from skillbox_executor.bundles import build
from skillbox_registry.archive import UnsafeArchive, open_archive
from skillbox_registry.limits import Limits
from tests.unit.registry.zips import MAIN, SKILL_MD, RawZip, skill_zip, zip_of

LIMITS = Limits(max_entries=8, max_unpacked=20_000, max_ratio=100)
SEEDS = (
    skill_zip(),
    zip_of({"top/": "", "top/SKILL.md": SKILL_MD, "top/scripts/main.py": MAIN}),
    zip_of({"SKILL.md": SKILL_MD, "a": "x" * 900, "\xe9": b"\0\1"}, compression=0),
)

_names = st.lists(
    st.sampled_from(
        ["SKILL.md", "a", "A", "b", "..", ".", "", "C:", "\\", "\0", "\xe9", "\U0001f600"]
    ),
    min_size=1,
    max_size=3,
).map("/".join)
_odd_numbers = st.none() | st.sampled_from([0, 1, 10, 2**31, 2**32 - 1])


def inspect(content: bytes) -> None:
    """Opens an archive as the Registry does, and reads it as the Executor does."""
    try:
        with open_archive(io.BytesIO(content), LIMITS) as archive:
            read = {path: archive.read(path, LIMITS.max_unpacked) for path in archive.files}
    except UnsafeArchive as error:
        assert error.problems
        return
    assert "SKILL.md" in read
    assert sum(map(len, read.values())) <= LIMITS.max_unpacked
    for path in read:
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(path.split("/"))
        assert not set(path) & {"\\", "\0"}
    with zipfile.ZipFile(io.BytesIO(content)) as plain:
        assert plain.testzip() is None
        assert {
            info.filename.removeprefix(archive.root): plain.read(info)
            for info in plain.infolist()
            if info.filename.startswith(archive.root) and not info.is_dir()
        } == read
    bundle = build(content, archive.root)
    with tarfile.open(fileobj=io.BytesIO(bundle.tar + bytes(1024))) as tar:
        assert {member.name: _content(tar, member) for member in tar} == read
    assert bundle.names == set(read)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    assert member.isreg()
    assert member.mode in (0o644, 0o755)
    stream = tar.extractfile(member)
    assert stream is not None
    return stream.read()


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes(content: bytes) -> None:
    inspect(content)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), st.data())
def test_a_damaged_archive(seed: bytes, data: st.DataObject) -> None:
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    inspect(bytes(content[:cut]))


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_an_archive_whose_parts_contradict_each_other(data: st.DataObject) -> None:
    zipped = RawZip()
    if data.draw(st.booleans()):
        zipped.skill()
    for _ in range(data.draw(st.integers(0, 5))):
        name = data.draw(_names).encode()
        zipped.add(
            name,
            data.draw(st.binary(max_size=50) | st.just(b"z" * 30_000)),
            central_name=data.draw(st.none() | _names.map(str.encode)),
            stated_size=data.draw(_odd_numbers),
            crc=data.draw(_odd_numbers),
            flags=data.draw(st.sampled_from([0, 1, 8, 0x20, 0x40, 0x800, 0x2000])),
            method=data.draw(st.sampled_from([0, 8, 12, 14, 99])),
            local=data.draw(st.booleans()),
            offset=data.draw(_odd_numbers),
            extra=data.draw(st.binary(max_size=20)),
        )
    inspect(
        zipped.bytes(
            entries=data.draw(st.none() | st.integers(0, 0xFFFF)),
            shift=data.draw(st.integers(0, 50)),
            comment=data.draw(st.binary(max_size=30)),
        )
    )
