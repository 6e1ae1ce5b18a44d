"""The skills that show what a caller meets; the sandbox itself is met in `tests/examples`."""

from pathlib import Path

import pytest

from tests.unit.examples.running import error_of, run_skill


@pytest.mark.parametrize("code", [0, 3, 255])
def test_exit_code(tmp_path: Path, code: int) -> None:
    ran = run_skill("exit-code", tmp_path, {"code": code})
    assert (ran.exit_code, ran.output) == (code, {"code": code})
    assert ran.stderr == ran.files["last-words.txt"] == f"Ending with exit code {code}\n"


def test_the_exit_code_is_1_by_default(tmp_path: Path) -> None:
    assert run_skill("exit-code", tmp_path, {}).exit_code == 1


def test_slow_count(tmp_path: Path) -> None:
    ran = run_skill("slow-count", tmp_path, {}, "2")
    assert (ran.stdout, ran.output) == ("1\n2\n", {"counted": 2})


def test_slow_count_takes_octal_for_decimal(tmp_path: Path) -> None:
    assert run_skill("slow-count", tmp_path, {}, "0000").output == {"counted": 0}


@pytest.mark.parametrize("word", ["x", "-1", "12345", "1; ls"])
def test_slow_count_wants_a_number(tmp_path: Path, word: str) -> None:
    message = f"expected a number from 0 to 9999, got: {word}"
    assert error_of(run_skill("slow-count", tmp_path, {}, word)) == message


def test_many_files(tmp_path: Path) -> None:
    ran = run_skill("many-files", tmp_path, {"folders": 2, "files": 3})
    assert ran.output == {"count": 6, "deepest": "folder-1/folder-2"}
    assert len(ran.files) == 6
    assert all(content == f"{path}\n" for path, content in ran.files.items())
    assert ran.stdout == "Wrote 6 files\n"


def test_environment_check_sees_what_is_not_kept(tmp_path: Path) -> None:
    ran = run_skill("environment-check", tmp_path, {"variables": {"HOME": "/nowhere"}})
    assert ran.exit_code == 0, ran.stderr
    assert not ran.output["ok"]
    checks = ran.output["checks"]
    assert not checks["variables"]
    assert not checks["instructions"]
    assert checks["input"] and checks["archive"] and checks["files_folder"]
    assert "BROKEN variables\n" in ran.files["checks.txt"]
