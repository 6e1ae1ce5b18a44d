"""Runs an example skill as a sandbox would, without the sandbox."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SKILLS = Path(__file__).parents[3] / "examples" / "skills"
_SCRIPTS = {"main.py": sys.executable, "main.js": "node", "main.sh": "bash"}


@dataclass(frozen=True)
class Ran:
    """What a skill did."""

    exit_code: int
    output: Any
    stdout: str
    stderr: str
    files: dict[str, str]


def run_skill(name: str, folder: Path, data: Any, *args: str) -> Ran:
    """Runs the entry point of a skill in `folder` with the environment of a sandbox."""
    sandbox = folder / "sandbox"
    shutil.copytree(SKILLS / name, sandbox)
    files = sandbox / "out" / "files"
    files.mkdir(parents=True)
    text = json.dumps(data)
    (sandbox / "input.json").write_text(text)
    script = next(path for path in (sandbox / "scripts").iterdir() if path.name in _SCRIPTS)
    program = shutil.which(_SCRIPTS[script.name])
    assert program, f"{_SCRIPTS[script.name]} is missing on this machine: install it"
    done = subprocess.run(
        [program, script, *args],
        cwd=sandbox,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "SANDBOX_INPUT": text,
            "SANDBOX_INPUT_FILE": str(sandbox / "input.json"),
            "SANDBOX_OUTPUT": str(sandbox / "out" / "output.json"),
            "SANDBOX_FILES_DIR": f"{files}/",
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    output = sandbox / "out" / "output.json"
    return Ran(
        done.returncode,
        json.loads(output.read_text()) if output.exists() else None,
        done.stdout,
        done.stderr,
        {
            path.relative_to(files).as_posix(): path.read_text()
            for path in files.rglob("*")
            if path.is_file()
        },
    )


def error_of(ran: Ran) -> str:
    """Returns the message of a run that must have refused its input."""
    assert ran.exit_code == 1, ran
    assert ran.output is None
    assert "Traceback" not in ran.stderr
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    return last.removeprefix("error: ")
