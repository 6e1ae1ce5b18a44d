"""Small skills for the tests."""

import io
import zipfile
from collections.abc import Mapping


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """Returns a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


def skill(name: str, script: str, code: str, *front_matter: str) -> bytes:
    """Returns a skill with one script.

    Args:
        script: Name of the entry point, such as `main.py`.
        front_matter: More lines of it.
    """
    head = "\n".join([f"name: {name}", "description: For a test.", *front_matter])
    return archive({"SKILL.md": f"---\n{head}\n---\nDo it.\n", f"scripts/{script}": code})


TICKS = 4
TICK_S = 0.8

TICKER = skill(
    "ticker",
    "main.py",
    f"""
import time

for number in range({TICKS}):
    print("tick", number, time.time(), flush=True)
    time.sleep({TICK_S})
""",
)

SLEEPER = skill("sleeper", "main.py", "import time; print('asleep', flush=True); time.sleep(60)")

PYTHON = skill(
    "python-square",
    "main.py",
    """
import json, os, pathlib

value = json.loads(os.environ["SANDBOX_INPUT"])["value"]
pathlib.Path(os.environ["SANDBOX_OUTPUT"]).write_text(json.dumps({"square": value * value}))
pathlib.Path(os.environ["SANDBOX_FILES_DIR"], "note.txt").write_text(f"python {value}")
print("squared")
""",
)

NODE = skill(
    "node-square",
    "main.js",
    """
const fs = require("fs");
const value = JSON.parse(process.env.SANDBOX_INPUT).value;
fs.writeFileSync(process.env.SANDBOX_OUTPUT, JSON.stringify({square: value * value}));
console.log("squared");
""",
)

BASH = skill(
    "bash-square",
    "main.sh",
    """
value=$(tr -dc 0-9 <"$SANDBOX_INPUT_FILE")
echo "{\\"square\\": $((value * value))}" >"$SANDBOX_OUTPUT"
echo squared
""",
)
