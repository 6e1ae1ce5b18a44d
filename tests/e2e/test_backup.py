"""`skillbox export` and `skillbox import` against a running stack."""

import io
import json
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.skills import skill
from tests.e2e.stack import Client, Stack

VERSIONS = [("adder", "1.0.0"), ("adder", "1.1.0-rc.1"), ("greeter", "2.0.0")]


def archive(name: str, version: str, code: str = "print(1)") -> bytes:
    return skill(name, "main.py", code, f'version: "{version}"')


@pytest.fixture(scope="module")
async def emptied() -> AsyncIterator[Client]:
    """A client of a stack whose skills may be deleted."""
    # Not in pytest's own folder: see `folder` in conftest.
    with tempfile.TemporaryDirectory(prefix="skillbox-e2e-") as name:
        running = Stack(Path(name, "data"), "bubblewrap")
        try:
            yield running.start()
        finally:
            running.down()


@pytest.fixture
async def client(emptied: Client) -> Client:
    """The stack with exactly `VERSIONS`."""
    for row in json.loads(emptied.cli_ok("skill", "list", "-o", "json")):
        emptied.cli_ok("skill", "delete", row["name"], row["version"])
    for name, version in VERSIONS:
        await emptied.push(archive(name, version))
    return emptied


def imported(client: Client, file: Path, *options: str) -> dict[tuple[str, str], str]:
    rows = json.loads(client.cli("import", file, "-o", "json", *options).stdout)
    return {(row["name"], row["version"]): row["result"] for row in rows}


def test_there_and_back(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "skills.tar"
    assert client.cli_ok("export", file) == f"Exported 3 versions to {file}\n"
    before = client.cli_ok("skill", "list", "-o", "json")
    for name, version in VERSIONS[:2]:
        client.cli_ok("skill", "delete", name, version)

    assert imported(client, file) == {
        VERSIONS[0]: "imported",
        VERSIONS[1]: "imported",
        VERSIONS[2]: "unchanged",
    }
    assert client.cli_ok("skill", "list", "-o", "json") == before
    assert client.cli_ok("import", file) == "0 imported, 3 unchanged, 0 replaced, 0 differs\n"
    assert [each.name for each in tmp_path.iterdir()] == ["skills.tar"]


async def test_other_bytes_are_left_alone(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "skills.tar"
    client.cli_ok("export", file)
    await client.push(archive(*VERSIONS[2], code="print(2)"))

    done = client.cli("import", file)
    assert done.returncode == 1
    assert "1 differs" in done.stdout
    assert "greeter 2.0.0" in done.stderr
    assert imported(client, file, "--replace")[VERSIONS[2]] == "replaced"
    assert set(imported(client, file).values()) == {"unchanged"}


def rewritten(file: Path, change: dict[str, bytes | None]) -> None:
    """Replaces members of a tar; None leaves one out."""
    with tarfile.open(file) as source:
        members = {m.name: source.extractfile(m).read() for m in source}  # type: ignore[union-attr]
    with tarfile.open(file, "w") as target:
        for name, content in {**members, **change}.items():
            if content is not None:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                target.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"manifest.json": None}, "not complete"),
        ({"manifest.json": b"{"}, "not complete"),
        ({"manifest.json": b'{"format": 2, "skills": []}'}, "format 1 only"),
        ({"manifest.json": b'{"format": 1, "skills": [{"name": 1}]}'}, "not complete"),
        ({"skills/greeter/2.0.0.zip": b"other"}, "greeter 2.0.0: its archive is damaged"),
        ({"skills/greeter/2.0.0.zip": None}, "greeter 2.0.0: its archive is damaged"),
    ],
)
def test_damage_is_found_before_anything_is_sent(
    client: Client, tmp_path: Path, change: dict[str, bytes | None], says: str
) -> None:
    file = tmp_path / "skills.tar"
    client.cli_ok("export", file)
    rewritten(file, change)
    client.cli_ok("skill", "delete", *VERSIONS[0])

    done = client.cli("import", file)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(json.loads(client.cli_ok("skill", "list", "-o", "json"))) == 2


def test_what_is_no_backup(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "skills.tar"
    client.cli_ok("export", file)
    file.write_bytes(file.read_bytes()[:2000])
    assert "not complete" in client.cli("import", file).stderr
    file.write_bytes(b"x" * 2000)
    assert "no backup" in client.cli("import", file).stderr
    assert "does not exist" in client.cli("import", tmp_path / "absent.tar").stderr
    assert "is a folder" in client.cli("export", tmp_path).stderr
    assert "No such file" in client.cli("export", tmp_path / "absent/skills.tar").stderr
