import tarfile
from pathlib import Path

import pytest

from skillbox import APIError, Client, RunResult
from tests.unit.sdk.archives import HOSTILE_KINDS, HOSTILE_NAMES, archive, entry
from tests.unit.sdk.fake_server import FakeServer, Reply, refusal

FILES = "GET /bucket/files.tar.gz"


def result(server: FakeServer) -> RunResult:
    return RunResult(files_url=f"{server.url}/bucket/files.tar.gz?X-Amz-Signature=s%2F1")


def test_files_are_fetched(server: FakeServer, client: Client, tmp_path: Path) -> None:
    server.on(
        FILES,
        Reply(body=archive(entry("a.txt"), entry("sub", tarfile.DIRTYPE), entry("sub/deep/b.txt"))),
    )
    client.download_files(result(server), tmp_path / "new" / "folder")
    found = {
        str(path.relative_to(tmp_path)): path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert found == {"new/folder/a.txt": "hello", "new/folder/sub/deep/b.txt": "hello"}


def test_the_key_does_not_go_to_the_store(
    server: FakeServer, client: Client, tmp_path: Path
) -> None:
    server.on(FILES, Reply(body=archive(entry("a.txt"))))
    client.download_files(result(server), tmp_path)
    assert server.last.path == "/bucket/files.tar.gz?X-Amz-Signature=s%2F1"
    assert "Authorization" not in server.last.headers


def test_without_files_nothing_happens(server: FakeServer, client: Client, tmp_path: Path) -> None:
    client.download_files(RunResult(), tmp_path / "none")
    assert server.requests == []
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "hostile",
    [
        *map(entry, HOSTILE_NAMES),
        entry("..", tarfile.DIRTYPE),
        entry("../evil", tarfile.SYMTYPE, "x"),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_names_that_leave_the_folder_are_refused(
    server: FakeServer, client: Client, tmp_path: Path, hostile: tarfile.TarInfo
) -> None:
    server.on(FILES, Reply(body=archive(entry("good.txt"), hostile)))
    with pytest.raises(ValueError) as caught:
        client.download_files(result(server), tmp_path / "out")
    assert str(caught.value) == f"skillbox: path traversal detected in tar entry: {hostile.name}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", HOSTILE_KINDS.values(), ids=HOSTILE_KINDS)
def test_links_and_devices_are_refused(
    server: FakeServer, client: Client, tmp_path: Path, kind: bytes
) -> None:
    server.on(FILES, Reply(body=archive(entry("good.txt"), entry("odd", kind, "/etc/passwd"))))
    with pytest.raises(ValueError, match="neither a file nor a folder in tar entry: odd"):
        client.download_files(result(server), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_links_that_were_there_before_lead_nowhere(
    server: FakeServer, client: Client, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "link").symlink_to(target)
    server.on(FILES, Reply(body=archive(entry("link/evil"))))
    with pytest.raises(ValueError, match="path traversal detected in tar entry: link/evil"):
        client.download_files(result(server), out)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
def test_a_broken_archive_is_told(
    server: FakeServer, client: Client, tmp_path: Path, damage: str
) -> None:
    body = archive(entry("a.txt"))
    bodies = {
        "cut": body[:-20],
        "garbage": b"no archive",
        "flipped": body[:30] + bytes([body[30] ^ 0xFF]) + body[31:],
    }
    server.on(FILES, Reply(body=bodies[damage]))
    with pytest.raises(ValueError, match="skillbox: the archive of files is broken"):
        client.download_files(result(server), tmp_path)


def test_archives_without_end_are_refused(
    server: FakeServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on(FILES, Reply(body=archive(*(entry(f"{n}.txt") for n in range(5)))))
    for limit in ("_MAX_UNPACKED", "_MAX_ENTRIES"):
        with monkeypatch.context() as patched:
            patched.setattr(f"skillbox.client.{limit}", 4)
            with pytest.raises(ValueError, match="the archive of files is too large"):
                client.download_files(result(server), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told(server: FakeServer, client: Client, tmp_path: Path) -> None:
    body = archive(entry("a.txt"))
    server.on(FILES, Reply(body=body))
    sizes: list[int] = []
    client.download_files(result(server), tmp_path, progress=sizes.append)
    assert sum(sizes) == len(body)


def test_an_expired_address_is_told(server: FakeServer, client: Client, tmp_path: Path) -> None:
    server.on(FILES, refusal(403, "AccessDenied", "expired"))
    with pytest.raises(APIError) as caught:
        client.download_files(result(server), tmp_path)
    assert caught.value.status_code == 403


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x"])
def test_other_addresses_are_refused(client: Client, tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        client.download_files(RunResult(files_url=url), tmp_path)
