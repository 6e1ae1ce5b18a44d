"""Completion in bash: the script that is installed completes commands and options."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack import SKILLBOX


def bash(script: str, home: Path) -> str:
    env = {"HOME": str(home), "PATH": f"{SKILLBOX.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sk"], {"skill"}),
        (["skill", "pu"], {"push"}),
        (["run", "--in"], {"--input"}),
        (["exec", ""], {"list", "get", "wait", "logs", "cancel"}),
    ],
)
def test_bash_completes(tmp_path: Path, words: list[str], expected: set[str]) -> None:
    line = " ".join(f"'{word}'" for word in ["skillbox", *words])
    script = f"""
        source <(skillbox --show-completion bash)
        COMP_WORDS=({line}) COMP_CWORD={len(words)}
        _skillbox_completion skillbox
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert set(bash(script, tmp_path).split()) == expected


def test_it_is_installed_for_the_shell_that_runs(tmp_path: Path) -> None:
    (tmp_path / ".bashrc").touch()
    # Not the last command of the shell, which bash would become.
    said = bash("skillbox --install-completion; true", tmp_path)
    assert "bash completion installed in" in said
    assert "skillbox" in (tmp_path / ".bashrc").read_text()
