"""A shell and a Python that remember, as those in which a reader types; and Go, which does not."""

import contextlib
import io
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.golang import ROOT, go

_END = "--- end of the block ---"


class Shell:
    """One bash for all blocks of a page; a command that fails ends it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, code: str) -> str:
        """Runs a block; returns what it prints, errors included."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{code}\necho\necho '{_END}'\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line == f"{_END}\n":
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"bash ended with {self._process.wait()}:\n{''.join(lines)}")


@contextmanager
def shell(folder: Path, env: Mapping[str, str]) -> Iterator[Shell]:
    """Runs a bash in `folder` for the block; ends it with all that it started."""
    process = subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail"],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Shell(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run_go(program: str, folder: Path, env: Mapping[str, str]) -> str:
    """Runs a program that imports the SDK; returns what it prints."""
    folder.mkdir(exist_ok=True)
    folder.joinpath("main.go").write_text(program)
    module = ROOT.joinpath("examples/go/go.mod").read_text()
    folder.joinpath("go.mod").write_text(module.replace("../..", str(ROOT)))
    return go("run", ".", cwd=folder, env=dict(env))


class Python:
    """One namespace for all blocks of a page."""

    def __init__(self, **names: Any) -> None:
        """Begins with names that a page takes for granted."""
        self._names: dict[str, Any] = {"__name__": "__main__", **names}

    def run(self, code: str, where: str) -> str:
        """Runs a block; returns what it prints."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, where, "exec"), self._names)
        return printed.getvalue()
