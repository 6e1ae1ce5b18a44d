import os
from pathlib import Path

from tests.unit.examples.running import error_of, run_skill


def test_all_sections(tmp_path: Path) -> None:
    ran = run_skill("system-report", tmp_path, {})
    assert ran.exit_code == 0, ran.stderr
    assert list(ran.output) == ["kernel", "processors", "memory", "disks", "user"]
    assert ran.output["kernel"]["name"] == os.uname().sysname
    assert ran.output["kernel"]["release"] == os.uname().release
    assert ran.output["processors"]["count"] >= 1
    assert ran.output["memory"]["total_kib"] >= ran.output["memory"]["available_kib"] > 0
    assert ran.output["disks"][-1]["mount"] == str(tmp_path / "sandbox")
    assert all(disk["size_kib"] > 0 for disk in ran.output["disks"][1:])
    assert ran.output["user"] == {"uid": os.getuid(), "gid": os.getgid(), "home": "/tmp"}
    assert ran.stdout.splitlines()[-1] == "Wrote report.txt"
    assert len(ran.files["report.txt"].splitlines()) == 7


def test_arguments_choose_sections(tmp_path: Path) -> None:
    ran = run_skill("system-report", tmp_path, {}, "user", "kernel")
    assert list(ran.output) == ["user", "kernel"]


def test_text_is_escaped(tmp_path: Path) -> None:
    # The working directory stands in the report, so its name must be quoted as JSON.
    odd = tmp_path / 'a "quoted" \\ and\ttabbed'
    odd.mkdir()
    ran = run_skill("system-report", odd, {}, "disks")
    assert ran.output["disks"][-1]["mount"] == str(odd / "sandbox")


def test_an_unknown_section_is_named(tmp_path: Path) -> None:
    message = error_of(run_skill("system-report", tmp_path, {}, "kernel", "secrets"))
    assert message.startswith("unknown section: secrets (there are: kernel ")
