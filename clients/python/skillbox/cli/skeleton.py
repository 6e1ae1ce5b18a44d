"""The files of a new skill, ready to run."""

from enum import StrEnum


class Lang(StrEnum):
    """Languages of skills."""

    PYTHON = "python"
    NODE = "node"
    BASH = "bash"


def skeleton(name: str, lang: Lang) -> dict[str, str]:
    """Returns the content of each file of a new skill, by its path."""
    script, source = _SCRIPTS[lang]
    return {"SKILL.md": _SKILL_MD.format(name=name, lang=lang, script=script), script: source}


_SKILL_MD = """\
---
name: "{name}"
version: "0.1.0"
description: Greets someone. Say here what the skill does and when an agent should use it.
lang: {lang}
timeout: 30s
---

# {name}

Runs `{script}`.

## Input

```json
{{"name": "World"}}
```

## Output

```json
{{"greeting": "Hello, World!"}}
```

Files that the script writes to the folder in `SANDBOX_FILES_DIR` can be downloaded after the
run. What it prints is its log. Any exit code but 0 means that it failed.
"""

_PYTHON = '''\
"""Greets someone."""

import json
import os
from pathlib import Path

data = json.loads(Path(os.environ["SANDBOX_INPUT_FILE"]).read_text())
name = data.get("name", "World")
print(f"Greeting {name}")
Path(os.environ["SANDBOX_OUTPUT"]).write_text(json.dumps({"greeting": f"Hello, {name}!"}))
'''

_NODE = """\
// Greets someone.

const fs = require("node:fs");

const { name = "World" } = JSON.parse(fs.readFileSync(process.env.SANDBOX_INPUT_FILE, "utf8"));
console.log(`Greeting ${name}`);
fs.writeFileSync(process.env.SANDBOX_OUTPUT, JSON.stringify({ greeting: `Hello, ${name}!` }));
"""

_BASH = """\
#!/bin/bash
# Greets someone. Bash reads no JSON by itself: this takes a plain "name": "…" only.
set -euo pipefail

input=$(<"$SANDBOX_INPUT_FILE")
name=World
if [[ $input =~ \\"name\\"[[:space:]]*:[[:space:]]*\\"([^\\"\\\\]*)\\" ]]; then
  name=${BASH_REMATCH[1]}
fi
echo "Greeting $name"
printf '{"greeting":"Hello, %s!"}' "$name" >"$SANDBOX_OUTPUT"
"""

_SCRIPTS = {
    Lang.PYTHON: ("scripts/main.py", _PYTHON),
    Lang.NODE: ("scripts/main.js", _NODE),
    Lang.BASH: ("scripts/main.sh", _BASH),
}
