import io
import tarfile
import zipfile

import pytest

from skillbox_common.object_store import ObjectNotFound
from skillbox_executor.bundles import Bundles, BundleUnavailable, build


def make_zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class Archives:
    def __init__(self, archives: dict[str, bytes]) -> None:
        self.archives = archives
        self.asked: list[str] = []

    async def get(self, key: str) -> bytes:
        self.asked.append(key)
        try:
            return self.archives[key]
        except KeyError:
            raise ObjectNotFound(key) from None


def content(pieces: list[bytes]) -> dict[str, bytes]:
    data = b"".join(pieces)
    assert len(data) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {m.name: f.read() for m in archive if (f := archive.extractfile(m))}


def test_a_payload_is_the_skill_and_its_input() -> None:
    long_name = "deep/" * 30 + "ü.txt"
    bundle = build(make_zip({"SKILL.md": b"s", "scripts/main.py": b"m", long_name: b"l"}), "")
    assert bundle.names == {"SKILL.md", "scripts/main.py", long_name}
    assert content(bundle.payload('{"a":1}')) == {
        "SKILL.md": b"s",
        "scripts/main.py": b"m",
        long_name: b"l",
        "input.json": b'{"a":1}',
    }
    assert len(content(bundle.payload("2"))) == 4


def test_the_top_folder_is_stripped_and_nothing_else_is_taken() -> None:
    bundle = build(make_zip({"top/": b"", "top/SKILL.md": b"s", "other/x": b""}), "top/")
    assert bundle.names == {"SKILL.md"}


async def test_recent_bundles_are_kept_within_the_limit() -> None:
    archives = Archives({name: make_zip({"f": b"x" * 4000}) for name in "abc"})
    bundles = Bundles(archives, max_bytes=10_000)
    for key in "aababcb":
        await bundles.get(key, "")
    assert archives.asked == ["a", "b", "c"]
    await bundles.get("a", "")
    assert archives.asked == ["a", "b", "c", "a"]


@pytest.mark.parametrize("archives", [{}, {"a": b"no zip"}])
async def test_what_cannot_be_had_is_said(archives: dict[str, bytes]) -> None:
    with pytest.raises(BundleUnavailable, match="its archive"):
        await Bundles(Archives(archives), 1000).get("a", "")
