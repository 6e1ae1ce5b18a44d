"""The Python runner as the host's interpreter compiles it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skillbox_executor.runner import FAULT_STATUS, command
from skillbox_executor.runner.compiled import compiled, compiled_command
from skillbox_executor.sandbox.interface import EngineUnavailable, Language


def test_it_does_what_the_source_does(tmp_path: Path) -> None:
    file = tmp_path / "runner"
    file.write_bytes(compiled(Path(sys.executable)))
    words = compiled_command(str(file))
    assert words == [*command(Language.PYTHON)[:-2], str(file)]
    ran = subprocess.run(
        [sys.executable, *words[1:]], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ran.returncode, ran.stdout) == (FAULT_STATUS, "")
    assert ran.stderr == "runner: RuntimeError('the runner must be PID 1')\n"


def test_an_upgraded_interpreter_compiles_it_anew(tmp_path: Path) -> None:
    interpreter, count = tmp_path / "python3", tmp_path / "count"
    interpreter.write_text(f'#!/bin/sh\necho >>{count}\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    first = compiled(interpreter)
    assert first.startswith(importlib.util.MAGIC_NUMBER)
    assert compiled(interpreter) is first
    os.utime(interpreter, (1, 1))
    assert compiled(interpreter) == first
    assert len(count.read_text()) == 2


def test_an_interpreter_that_fails_is_named(tmp_path: Path) -> None:
    interpreter = tmp_path / "python3"
    interpreter.write_text("#!/bin/sh\necho what >&2\necho no room >&2\nexit 3\n")
    interpreter.chmod(0o755)
    with pytest.raises(EngineUnavailable, match=r"does not compile the runner: no room$"):
        compiled(interpreter)
