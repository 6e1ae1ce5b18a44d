"""The first minutes of a user, also with nothing but the built wheel."""

import asyncio
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.e2e.conftest import DRIVERS
from tests.e2e.quick_start import check_history, five_commands
from tests.e2e.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("driver", DRIVERS)
async def test_everything_survives_a_restart(folder: Path, driver: str) -> None:
    stack = Stack(folder / "data", driver)
    try:
        execution_id = await asyncio.to_thread(five_commands, stack.start())
        assert stack.down().returncode == 0
        await asyncio.to_thread(check_history, stack.start(), execution_id)
    finally:
        stack.down()
    assert not await stack.containers()


@pytest.mark.bubblewrap
@pytest.mark.timeout(400)
async def test_the_wheel_is_complete(folder: Path) -> None:
    skillbox = await asyncio.to_thread(_install_wheel, folder)
    stack = Stack(folder / "data", "bubblewrap", binary=skillbox)
    try:
        await asyncio.to_thread(five_commands, stack.start())
    finally:
        stack.down()


def _install_wheel(folder: Path) -> Path:
    """Installs the built wheel into an environment of its own; returns its command line."""
    dist = folder / "dist"
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, ROOT)
    (wheel,) = dist.iterdir()
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    _run(
        *(environment / "bin/pip", "install", "--quiet", "-c", ROOT / "constraints.txt"),
        f"skillbox[server,cli] @ {wheel.as_uri()}",
    )
    return environment / "bin/skillbox"


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd="/"
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
