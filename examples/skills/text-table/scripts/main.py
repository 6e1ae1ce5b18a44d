"""Draws records as a table."""

import json
import os
from pathlib import Path

from tabulate import tabulate


def main():
    document = json.loads(Path(os.environ["SANDBOX_INPUT_FILE"]).read_text(encoding="utf-8"))
    rows = document["rows"]
    table = tabulate(rows, headers="keys", tablefmt=document.get("format", "simple"))
    output = json.dumps({"table": table, "rows": len(rows)})
    Path(os.environ["SANDBOX_OUTPUT"]).write_text(output, encoding="utf-8")


main()
