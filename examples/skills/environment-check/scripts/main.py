"""Checks that the sandbox is as documented."""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path

ENV = os.environ


def main():
    text = Path(ENV["SANDBOX_INPUT_FILE"]).read_text(encoding="utf-8")
    wanted = json.loads(text).get("variables", {})
    checks = {
        "input": ENV.get("SANDBOX_INPUT") == text,
        "instructions": ENV.get("SKILL_INSTRUCTIONS", "").startswith("# Environment check"),
        "archive": Path("SKILL.md").is_file(),
        "variables": all(ENV.get(name) == value for name, value in wanted.items()),
        "files_folder": can_write(Path(ENV["SANDBOX_FILES_DIR"])),
        "temporary_folder": can_write(Path(ENV["HOME"])),
        "read_only_root": not any(can_write(Path(name)) for name in ("/", "/etc", "/usr")),
        "no_network": [name for _, name in socket.if_nameindex() if name != "lo"] == [],
        "no_privileges": os.getuid() != 0 and not can_become_root(),
    }
    lines = [f"{'ok    ' if passed else 'BROKEN'} {name}" for name, passed in checks.items()]
    print("\n".join(lines))
    Path(ENV["SANDBOX_FILES_DIR"], "checks.txt").write_text("\n".join(lines) + "\n")
    result = {"ok": all(checks.values()), "checks": checks}
    Path(ENV["SANDBOX_OUTPUT"]).write_text(json.dumps(result))


def can_write(folder):
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def can_become_root():
    try:
        os.setuid(0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
