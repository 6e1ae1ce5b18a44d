"""Prints what an extra of pyproject.toml needs, one requirement on each line.

    python3 requirements.py services

So that an image can install the packages of others before it has the source: they change
seldom, the source often, and a layer is built again only when what went into it changed.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

_OWN = re.compile(r"skillbox\[([\w,-]+)\]")


def requirements(extra: str, extras: dict[str, list[str]]) -> Iterator[str]:
    """Yields the requirements of an extra and of those that it names."""
    for requirement in extras[extra]:
        if own := _OWN.fullmatch(requirement):
            for named in own[1].split(","):
                yield from requirements(named, extras)
        else:
            yield requirement


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for name in sys.argv[1:]:
        print(*requirements(name, project["optional-dependencies"]), sep="\n")
