"""`skillbox skill lint` and `package`, which are the server's checks on the author's machine."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from skillbox_common.errors import InvalidSkill
from skillbox_registry.limits import Limits
from skillbox_registry.lint import CHECKS, lint
from skillbox_registry.pack import pack
from skillbox_registry.validate import validate_archive
from tests.unit.registry.zips import MAIN, skill_md, skill_zip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "SKILL.md").write_text(skill_md())
    (tmp_path / "scripts" / "main.py").write_text(MAIN)
    return tmp_path


def test_a_good_folder_passes_every_check(folder: Path) -> None:
    checks = lint(folder)
    assert [check.name for check in checks] == list(CHECKS)
    assert all(check.passed and not check.message for check in checks)


def test_a_good_zip_passes_every_check(tmp_path: Path) -> None:
    path = tmp_path / "skill.zip"
    path.write_bytes(skill_zip())
    assert all(check.passed for check in lint(path))


def test_each_problem_is_a_failed_check_with_its_line(folder: Path) -> None:
    (folder / "SKILL.md").write_text("---\nname: a/b\nversion: 1.0\nresources: x\n---\n")
    failed = {check.name: check.line for check in lint(folder) if not check.passed}
    assert failed == {"name": 2, "version": 3, "description": None, "resources": 4}


def test_a_warning_passes_with_a_message(folder: Path) -> None:
    (folder / "SKILL.md").write_text(skill_md(name="Demo"))
    (check,) = [check for check in lint(folder) if check.message]
    assert (check.name, check.passed) == ("name", True)


def test_what_was_not_looked_at_is_not_listed(folder: Path, tmp_path: Path) -> None:
    (folder / "SKILL.md").write_text("no front matter")
    assert [(check.name, check.passed) for check in lint(folder)] == [
        ("archive", True),
        ("SKILL.md", False),
    ]
    (folder / "SKILL.md").unlink()
    assert [(check.name, check.passed) for check in lint(folder)] == [("archive", False)]


def test_the_limits_can_be_set(folder: Path) -> None:
    (folder / "SKILL.md").write_text(skill_md("resources: {cpu: 2}"))
    assert all(check.passed for check in lint(folder))
    assert not all(check.passed for check in lint(folder, Limits(max_cpu=1)))


def test_links_and_special_files_are_refused(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    messages = [check.message for check in lint(folder) if not check.passed]
    assert messages == ["'link' is a symbolic link", "'pipe' is a device or another special file"]


def test_a_link_to_a_folder_is_not_followed(folder: Path) -> None:
    (folder / "etc").symlink_to("/etc")
    assert [check.message for check in lint(folder) if not check.passed] == [
        "'etc' is a symbolic link"
    ]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lint(tmp_path / "missing")


def test_a_name_that_is_not_utf8(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("")
    with pytest.raises(InvalidSkill, match="not UTF-8"):
        pack(folder, io.BytesIO())
    assert not lint(folder)[0].passed


def test_packing_is_the_same_everywhere(folder: Path) -> None:
    (folder / "scripts" / "tool.sh").write_text("true")
    (folder / "scripts" / "tool.sh").chmod(0o700)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "main.pyc").write_text("")
    first, second = io.BytesIO(), io.BytesIO()
    pack(folder, first)
    os.utime(folder / "SKILL.md", (0, 0))
    pack(folder, second)
    assert first.getvalue() == second.getvalue()
    with zipfile.ZipFile(first) as archive:
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in archive.infolist()}
    assert modes == {"SKILL.md": 0o644, "scripts/main.py": 0o644, "scripts/tool.sh": 0o755}
    assert validate_archive(first, Limits()).spec.name == "demo"


def test_hidden_files_are_not_packed(folder: Path) -> None:
    for hidden in (".env", ".git/config", "scripts/.env.local", "scripts/.cache/deep/x"):
        (folder / hidden).parent.mkdir(parents=True, exist_ok=True)
        (folder / hidden).write_text("TOKEN=secret")
    (folder / ".link").symlink_to("/etc/passwd")
    packed = io.BytesIO()
    pack(folder, packed)
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["SKILL.md", "scripts/main.py"]
    assert all(check.passed for check in lint(folder))


def test_a_hidden_folder_can_itself_be_a_skill(tmp_path: Path) -> None:
    skill = tmp_path / ".skills"
    skill.mkdir()
    (skill / "SKILL.md").write_text(skill_md())
    assert all(check.passed for check in lint(skill))


def test_the_validator_needs_only_what_the_command_line_installs() -> None:
    banned = ("pydantic", "grpc", "asyncpg", "google", "msgspec", "structlog", "aiobotocore")
    code = (
        "import sys, skillbox_registry.lint, skillbox_registry.validate, skillbox_registry.pack\n"
        f"print([name for name in {banned!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"
