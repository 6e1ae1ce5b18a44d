"""Ends with an exit code."""

import json
import os
import sys
from pathlib import Path

code = json.loads(Path(os.environ["SANDBOX_INPUT_FILE"]).read_text()).get("code", 1)
words = f"Ending with exit code {code}"
print(words, file=sys.stderr)
Path(os.environ["SANDBOX_FILES_DIR"], "last-words.txt").write_text(words + "\n")
Path(os.environ["SANDBOX_OUTPUT"]).write_text(json.dumps({"code": code}))
sys.exit(code)
