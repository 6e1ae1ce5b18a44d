"""What logging may not do to those who log."""

import subprocess
import sys
from pathlib import Path

_LOG = """
import structlog
from skillbox_common.logs import configure_logging
configure_logging("info", "test")
structlog.get_logger().info("nobody reads this")
print("goes on", flush=True)
# What is left in the buffer fails at the end of a process, whoever wrote it.
import os; os._exit(0)
"""


def test_a_full_disk_of_the_logs_fails_nobody() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", _LOG], stdout=subprocess.PIPE, stderr=full, text=True, check=True
        )
    assert done.stdout == "goes on\n"
