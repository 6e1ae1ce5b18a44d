import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from skillbox_common.object_store import ObjectNotFound
from skillbox_executor.archive_cache import ArchiveCache, CachedArchives
from tests.unit.executor.test_bundles import Archives


def key(content: bytes) -> str:
    return f"archives/{hashlib.sha256(content).hexdigest()}"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_an_archive_is_fetched_once_also_by_a_later_process(tmp_path: Path) -> None:
    store = Archives({key(b"zip"): b"zip"})
    for _ in range(2):
        archives = CachedArchives(store, ArchiveCache(tmp_path / "deep" / "cache", 100))
        assert await archives.get(key(b"zip")) == b"zip"
        assert await archives.get(key(b"zip")) == b"zip"
    assert store.asked == [key(b"zip")]
    folder = tmp_path / "deep" / "cache"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("content", [b"", b"zi", b"zap", b"zip" * 100])
async def test_what_was_changed_or_half_written_is_fetched_again(
    tmp_path: Path, content: bytes
) -> None:
    store = Archives({key(b"zip"): b"zip"})
    archives = CachedArchives(store, ArchiveCache(tmp_path, 100))
    name = key(b"zip").removeprefix("archives/")
    tmp_path.joinpath(name).write_bytes(content)
    assert await archives.get(key(b"zip")) == b"zip"
    assert tmp_path.joinpath(name).read_bytes() == b"zip"


async def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    cache = ArchiveCache(tmp_path / "cache", 100)
    cache.write("0" * 64, b"")
    for content, make in ((b"link", os.symlink), (b"pipe", lambda _, path: os.mkfifo(path))):
        digest = hashlib.sha256(content).hexdigest()
        target = tmp_path / "target"
        target.write_bytes(content)
        make(target, tmp_path / "cache" / digest)
        assert cache.read(digest) is None
        cache.write(digest, content)
        assert cache.read(digest) == content
        assert target.read_bytes() == content


async def test_an_archive_that_the_store_changed_is_refused(tmp_path: Path) -> None:
    archives = CachedArchives(Archives({key(b"zip"): b"other"}), ArchiveCache(tmp_path, 100))
    with pytest.raises(ValueError, match="not the one that was stored"):
        await archives.get(key(b"zip"))
    assert not names(tmp_path)
    with pytest.raises(ObjectNotFound):
        await archives.get(key(b"none"))


@pytest.mark.parametrize("name", ["archives/../../etc/passwd", "other", "archives/" + "A" * 64])
async def test_a_key_that_is_no_digest_is_never_a_file_name(tmp_path: Path, name: str) -> None:
    archives = CachedArchives(Archives({name: b"zip"}), ArchiveCache(tmp_path, 100))
    assert await archives.get(name) == b"zip"
    assert not names(tmp_path)


def test_the_least_recently_used_make_room(tmp_path: Path) -> None:
    cache = ArchiveCache(tmp_path, 100)
    contents = [bytes([number]) * 40 for number in range(3)]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    for age, number in enumerate((1, 0)):
        cache.write(digests[number], contents[number])
        os.utime(tmp_path / digests[number], (1000 + age, 1000 + age))
    assert cache.read(digests[1]) == contents[1]  # which makes 0 the oldest
    cache.write(digests[2], contents[2])
    assert names(tmp_path) == {digests[1], digests[2]}
    cache.write(hashlib.sha256(b"x" * 101).hexdigest(), b"x" * 101)
    assert names(tmp_path) == {digests[1], digests[2]}


def test_files_that_somebody_died_over_go_in_the_end(tmp_path: Path) -> None:
    cache = ArchiveCache(tmp_path, 100)
    for name, age in ((".new-old", 7200), (".new-now", 0)):
        tmp_path.joinpath(name).write_bytes(b"x" * 1000)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cache.write(hashlib.sha256(b"a").hexdigest(), b"a")
    assert names(tmp_path) == {".new-now", hashlib.sha256(b"a").hexdigest()}


def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"a").hexdigest()
    tmp_path.chmod(0o777)
    cache = ArchiveCache(tmp_path, 100)
    cache.write(digest, b"a")
    assert not names(tmp_path)
    tmp_path.chmod(0o700)
    cache.write(digest, b"a")
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    assert ArchiveCache(link, 100).read(digest) is None
    assert cache.read(digest) == b"a"


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    cache = ArchiveCache(tmp_path / "file" / "cache", 100)
    cache.write("0" * 64, b"a")
    assert cache.read("0" * 64) is None
