"""Whatever tar a hostile box sends: it is refused with a reason, or gives plain, small files."""

import io
import json
import tarfile
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from skillbox_executor import results
from skillbox_executor.results import ResultError
from tests.fuzz.tars import header, holes

_MAX_FILES = 5
_KINDS = [
    *(b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"),
    *(b"L", b"K", b"S", b"V", b"x", b"g", b"X", b"?", b"\xff"),
]
_NAMES = ["output.json", "files/a", "files/b", "./files/a", "files/../a", "files/", "/etc/passwd"]
_NAMES += ["files//a", "files/\xe9", "files/" + "n" * 200, "x", ""]
_RECORDS = ["path", "size", "linkpath", "GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.map"]
_RECORDS += ["GNU.sparse.size", "GNU.sparse.realsize", "GNU.sparse.name", "mtime", "hdrcharset"]
_VALUES = ["0", "1", "-1", "1e9", "9" * 18, "files/../x", "files/c", "nan", "0,1,2", "BINARY", ""]


@dataclass(frozen=True)
class Member:
    """What stands in a tar, whether it makes sense or not."""

    name: str
    kind: bytes
    stated_size: int
    content: bytes
    extra: bytes

    def blocks(self) -> bytes:
        head = header(self.kind, self.stated_size, self.name, self.extra)
        return head + self.content + bytes(-len(self.content) % 512)


def _record(pair: tuple[str, str]) -> bytes:
    text = f" {pair[0]}={pair[1]}\n".encode()
    return b"%d" % (len(text) + len(str(len(text)))) + text


_contents = (
    st.binary(max_size=600)
    | st.lists(st.tuples(st.sampled_from(_RECORDS), st.sampled_from(_VALUES)).map(_record)).map(
        b"".join
    )
    | st.sampled_from([b"files/long\0", b'{"a": 1}', b"[" * 400, b"1\n0\n512\n"])
)
_members = st.builds(
    Member,
    st.sampled_from(_NAMES),
    st.sampled_from(_KINDS),
    st.integers(0, 1200) | st.sampled_from([8**11 - 1, 2**31, 2**60]),
    _contents,
    st.binary(max_size=110) | st.integers(1, 2**62).map(holes),
)


def take(tar: bytes) -> None:
    written = io.BytesIO()
    written.write(tar)
    try:
        found = results.read(written, _MAX_FILES)
    except ResultError as error:
        assert str(error)
        return
    if found.output_json is not None:
        json.loads(found.output_json)
        assert len(found.output_json) <= len(tar)
    assert len(found.files) <= _MAX_FILES
    if found.archive is None:
        assert not found.files
        return
    with found.archive as archive, tarfile.open(fileobj=archive, mode="r:gz") as packed:
        members = packed.getmembers()
    assert sorted(member.name for member in members) == found.files
    assert all(member.isreg() and member.mode in (0o644, 0o755) for member in members)
    # Nothing grows on its way: no holes, no content that is stated only.
    assert sum(member.size for member in members) <= len(tar)
    for member in members:
        assert not {"", ".", ".."} & set(member.name.split("/"))
        member.name.encode()


@settings(max_examples=600, deadline=None)
@given(st.lists(_members, max_size=6), st.integers(0, 1500))
def test_members_that_contradict_themselves(members: list[Member], cut: int) -> None:
    tar = b"".join(member.blocks() for member in members) + bytes(1024)
    take(tar[: len(tar) - cut] if cut < len(tar) else tar)
