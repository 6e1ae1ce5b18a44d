"""The versions of Docker Compose that this machine has."""

import os
import subprocess
from functools import cache

from tools.compose_v2 import PROGRAM

_CANDIDATES = ("docker compose", str(PROGRAM), "docker-compose")


@cache
def commands() -> dict[int, str]:
    """Returns the first command of each major version; the first of all is what users get."""
    found: dict[int, str] = {}
    for command in _CANDIDATES:
        if major := _major(command):
            found.setdefault(major, command)
    return found


def _major(command: str) -> int:
    """Returns 1 or 2 (and what comes after), or 0 when there is no such command."""
    try:
        done = subprocess.run(
            [*command.split(), "version", "--short"],
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except FileNotFoundError:
        return 0
    return int(done.stdout.lstrip("v").partition(".")[0]) if done.returncode == 0 else 0
