"""Runs what a reader of the examples would run."""

import os
import subprocess
from pathlib import Path

from tests.e2e.stack import SKILLBOX, Client, environment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SKILLS = sorted(path.parent for path in EXAMPLES.glob("skills/*/SKILL.md"))


def shell(live: Client, cwd: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command with the settings of a stack; stdout and stderr come as one."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={
            **environment(live.env),
            "PATH": f"{SKILLBOX.parent}:{os.environ['PATH']}",
            # A proxy of this machine cannot reach the stack.
            "no_proxy": "*",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


def run(live: Client, cwd: Path, *command: str | Path) -> str:
    """Runs a command that has to succeed; returns what it printed."""
    done = shell(live, cwd, *command)
    assert done.returncode == 0, done.stdout
    return done.stdout
