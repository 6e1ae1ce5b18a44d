"""The Python runner as a .pyc file, for boxes made of the host's own interpreter.

To compile its source takes each box about 3 ms, half of what bubblewrap takes to isolate it, so
here that is done once. An interpreter reads only what one of its own version has compiled, so it
does it itself.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

from skillbox_executor.runner import command
from skillbox_executor.sandbox.interface import EngineUnavailable, Language

_COMPILE = """
import importlib.util, marshal, sys
code = compile(sys.stdin.buffer.read(), "runner", "exec", dont_inherit=True)
# Neither a time nor a size: nothing is compared with the source.
sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
"""
_SECONDS = 20.0


def compiled(interpreter: Path) -> bytes:
    """Returns the .pyc file for an interpreter. Blocks, the first time for each.

    Raises:
        EngineUnavailable: The interpreter does not compile it.
    """
    status = interpreter.stat()
    return _compiled(interpreter, status.st_ino, status.st_mtime_ns)


def compiled_command(path: str) -> list[str]:
    """Returns the command line that runs the .pyc file which is at `path` in the box."""
    *interpreter, option, _source = command(Language.PYTHON)
    assert option == "-c"
    return [*interpreter, path]


@cache
def _compiled(interpreter: Path, *_identity: int) -> bytes:
    """Returns the .pyc file for the interpreter that has this identity: it may be upgraded."""
    source = command(Language.PYTHON)[-1].encode()
    try:
        done = subprocess.run(
            [interpreter, "-I", "-S", "-c", _COMPILE],
            input=source,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={},
            cwd=os.sep,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineUnavailable(f"{interpreter} does not start: {error}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise EngineUnavailable(f"{interpreter} does not compile the runner: {said}")
    return done.stdout
