"""Environments that hold the built wheel and nothing that it does not bring along."""

import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.docs.pages import ROOT


def build(folder: Path) -> Path:
    """Builds the wheel into `folder`."""
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    [wheel] = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, extra: str = "") -> Path:
    """Makes an environment with the wheel; returns its folder of programs.

    Args:
        extra: Its packages are those of the environment that runs the tests, and no others.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    # Without an index: a dependency of the bare install could not be found.
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin/python", "install")
    _run(*pip, "--quiet", "--no-index", "--no-compile", wheel)
    if extra:
        [site_packages] = folder.glob("lib/python*/site-packages")
        for package in _closure(distribution("skillbox"), extra, set()):
            _link(package, site_packages)
    return folder / "bin"


def _closure(dist: Distribution, extra: str, seen: set[str]) -> Iterator[Distribution]:
    """Yields what a distribution needs, directly or not."""
    for text in dist.requires or []:
        requirement = Requirement(text)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        if wanted and requirement.name not in seen:
            seen.add(requirement.name)
            needed = distribution(requirement.name)
            yield needed
            yield from _closure(needed, "", seen)


def _link(dist: Distribution, site_packages: Path) -> None:
    for file in dist.files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(str(file.locate()))


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, cwd="/"
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
