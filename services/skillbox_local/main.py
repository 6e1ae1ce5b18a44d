"""Entry point of a supervisor: `skillbox up` in the foreground, or detached by it."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from skillbox_local.errors import LocalError
from skillbox_local.options import Options, SandboxChoice
from skillbox_local.stack import run
from skillbox_local.state import State


def supervise(options: Options, ready: Callable[[State], None]) -> None:
    """Runs the stack until it is told to stop. See `skillbox_local.stack.run`."""
    asyncio.run(run(options, ready))


def main() -> None:
    """Runs a detached supervisor; its parent watches the state that it writes."""
    parser = argparse.ArgumentParser(prog="python -m skillbox_local", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sandbox", type=SandboxChoice, required=True)
    parser.add_argument("--replicas", type=int, required=True)
    arguments = parser.parse_args()
    try:
        supervise(Options(**vars(arguments)), ready=lambda state: None)
    except LocalError as error:
        sys.exit(str(error))
