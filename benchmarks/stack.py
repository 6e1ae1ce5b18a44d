"""Starts whole stacks for a benchmark, with the skills that it runs."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skillbox_local.data_dir import DataDir

SKILLBOX = Path(sys.executable).with_name("skillbox")
KEY = "sk-benchmark-key"
SKILL_MD = '---\nname: bench\nversion: "1.0.0"\ndescription: Does next to nothing.\n---\n'

PYTHON = """
import json, os
data = json.loads(os.environ['SANDBOX_INPUT'])
print('working')
json.dump({'sum': sum(data)}, open(os.environ['SANDBOX_OUTPUT'], 'w'))
"""
NODE = """
const data = JSON.parse(process.env.SANDBOX_INPUT);
console.log("working");
const output = JSON.stringify({ sum: data.reduce((a, b) => a + b) });
require("fs").writeFileSync(process.env.SANDBOX_OUTPUT, output);
"""
BASH = """
echo working
echo "{\\"sum\\": $((${SANDBOX_INPUT//[^0-9]/+}0))}" >"$SANDBOX_OUTPUT"
"""
LINES = """
import json, os, time
for _ in range(json.loads(os.environ['SANDBOX_INPUT'])):
    time.sleep(0.02)
    print(time.time_ns())
"""
SKILLS = {
    "bench": ("main.py", PYTHON),
    "bench-node": ("main.js", NODE),
    "bench-bash": ("main.sh", BASH),
    "lines": ("main.py", LINES),
}


@dataclass(frozen=True)
class Running:
    """A stack that has all of `SKILLS`.

    Attributes:
        owner: Marks its boxes.
        pids: Process of each service.
        settings: Variables that it was started with.
    """

    url: str
    owner: str
    pids: dict[str, int]
    settings: dict[str, str]

    @property
    def pool_profile_size(self) -> int:
        return int(self.settings.get("SKILLBOX_POOL_PROFILE_SIZE", 4))


@contextmanager
def running(sandbox: str, **settings: str) -> Iterator[Running]:
    """Runs a stack on a free port; nothing is left at the end.

    Args:
        settings: `SKILLBOX_…` variables of the services.
    """
    with tempfile.TemporaryDirectory(prefix="skillbox-bench-") as folder:
        data = f"--data-dir={folder}/data"
        environment = {**os.environ, "SKILLBOX_BOOTSTRAP_API_KEY": KEY, "SKILLBOX_API_KEY": KEY}
        environment |= settings

        def skillbox(*args: str) -> str:
            done = subprocess.run(
                [SKILLBOX, *args], check=True, env=environment, stdout=subprocess.PIPE, text=True
            )
            return done.stdout

        skillbox("up", "--detach", "--port=0", f"--sandbox={sandbox}", data)
        try:
            status = json.loads(skillbox("status", "--output=json", data))
            environment["SKILLBOX_SERVER_URL"] = status["url"]
            for name, (script, source) in SKILLS.items():
                skill = Path(folder, name)
                skill.mkdir()
                (skill / "SKILL.md").write_text(SKILL_MD.replace("bench", name))
                (skill / script).write_text(source)
                skillbox("skill", "push", str(skill))
            owner = DataDir(Path(folder, "data")).executor_id()
            pids = {name: service["pid"] for name, service in status["services"].items()}
            yield Running(status["url"], owner, pids, settings)
        finally:
            skillbox("down", data)
