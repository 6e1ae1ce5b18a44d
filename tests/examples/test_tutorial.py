"""The tutorial is followed to the letter."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.stack import Client
from tests.examples.running import EXAMPLES, shell

TUTORIAL = EXAMPLES / "write-your-first-skill" / "README.md"
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yields each command of a console block with what it should print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def pattern(expected: str) -> str:
    """Returns a regular expression; a line that is only `…` stands for any lines."""
    return "".join(
        "(?s:.*)" if line == "…" else re.escape(line).replace("…", ".*") + "\n"
        for line in expected.splitlines()
        if line
    )


def test_the_tutorial(live: Client, tmp_path: Path) -> None:
    blocks = _BLOCK.findall(TUTORIAL.read_text())
    kinds = [kind for kind, _, _ in blocks]
    assert kinds == ["console", "python", "markdown", "console"]
    for _, title, content in blocks:
        if title:
            (tmp_path / title).write_text(content)
            continue
        for command, expected in commands(content):
            printed = shell(live, tmp_path, "bash", "-c", command).stdout
            assert re.fullmatch(pattern(expected), printed), f"$ {command}\n{printed}"
