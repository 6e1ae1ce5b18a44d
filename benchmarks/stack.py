"""Starts the whole stack for a benchmark, and the numbers that all of them use."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SKILLBOX = Path(sys.executable).with_name("skillbox")
KEY = "sk-benchmark-key"
SKILL_MD = '---\nname: bench\nversion: "1.0.0"\ndescription: Does next to nothing.\n---\n'
SCRIPT = (
    "import json, os\n"
    "data = json.loads(os.environ['SANDBOX_INPUT'])\n"
    "print('working')\n"
    "json.dump({'sum': sum(data)}, open(os.environ['SANDBOX_OUTPUT'], 'w'))\n"
)


@dataclass(frozen=True)
class Running:
    """A stack that has the skill `bench`.

    Attributes:
        pids: Process of each service.
    """

    url: str
    pids: dict[str, int]


@contextmanager
def running(sandbox: str) -> Iterator[Running]:
    """Runs a stack on a free port; nothing is left at the end."""
    with tempfile.TemporaryDirectory() as folder:
        skill = Path(folder, "bench")
        skill.mkdir()
        (skill / "SKILL.md").write_text(SKILL_MD)
        (skill / "main.py").write_text(SCRIPT)
        data = f"--data-dir={folder}/data"
        environment = {**os.environ, "SKILLBOX_BOOTSTRAP_API_KEY": KEY, "SKILLBOX_API_KEY": KEY}

        def skillbox(*args: str) -> str:
            done = subprocess.run(
                [SKILLBOX, *args], check=True, env=environment, stdout=subprocess.PIPE, text=True
            )
            return done.stdout

        skillbox("up", "--detach", "--port=0", f"--sandbox={sandbox}", data)
        try:
            status = json.loads(skillbox("status", "--output=json", data))
            environment["SKILLBOX_SERVER_URL"] = status["url"]
            skillbox("skill", "push", str(skill))
            pids = {name: service["pid"] for name, service in status["services"].items()}
            yield Running(status["url"], pids)
        finally:
            skillbox("down", data)


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
