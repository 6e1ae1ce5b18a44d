"""`make demo`, without the installation."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import DRIVERS
from tests.e2e.stack import environment

DEMO = Path(__file__).resolve().parents[2] / "examples/demo/demo.py"


@pytest.mark.parametrize("driver", DRIVERS)
def test_demo(folder: Path, driver: str) -> None:
    done = subprocess.run(
        [sys.executable, DEMO],
        env=environment({"SKILLBOX_SANDBOX": driver, "TMPDIR": str(folder)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert '"row_count": 5' in done.stdout
    assert '"mean": 3.0' in done.stdout
    assert not list(folder.iterdir())
