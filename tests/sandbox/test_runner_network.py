"""What a runner does when the engine has left a network in a box that should have none."""

import subprocess
from pathlib import Path

import pytest

from skillbox_executor.runner import FAULT_STATUS, command
from skillbox_executor.sandbox.interface import Language

_NETWORK_OF_THE_HOST = (
    *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
    *("--ro-bind", "/dev/null", "/etc/hosts", "--unshare-pid", "--as-pid-1", "--"),
)


@pytest.mark.parametrize("language", [Language.PYTHON, Language.NODE])
def test_a_box_without_hosts_but_with_a_route_does_not_start(language: Language) -> None:
    routes = Path("/proc/net/route").read_text().splitlines()
    assert len(routes) > 1, "this machine has no network that a box could find"
    ran = subprocess.run(
        [*_NETWORK_OF_THE_HOST, *command(language)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert b"the box has a network" in ran.stderr
    assert (ran.returncode, ran.stdout) == (FAULT_STATUS, b"")
