"""Reads the code blocks of a page in Markdown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXECUTED = {"bash", "console", "go", "python"}

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block that is executed.

    Attributes:
        line: Where it begins on its page.
        output: The block right behind it that is not executed: what it prints.
    """

    line: int
    language: str
    code: str
    output: str | None = None


def blocks(page: str) -> Iterator[Block]:
    """Yields what to execute on a page, by its path from the root."""
    text = (ROOT / page).read_text()
    found = list(_FENCED.finditer(text))
    for match, after in zip(found, [*found[1:], None], strict=True):
        language, code = match.groups()
        line = text.count("\n", 0, match.start()) + 2
        if language in EXECUTED:
            shown = after and after[1] not in EXECUTED and after.start() == match.end() + 1
            yield Block(line, language, code, after[2] if after and shown else None)


def commands(console: str) -> str:
    """Returns what is typed behind the prompts of a console, without the prompts."""
    assert all(re.match(r"\$ |\s", line) for line in console.splitlines()), console
    return re.sub(r"^\$ ", "", console, flags=re.MULTILINE)


def matches(printed: str, shown: str) -> bool:
    """Tells whether a page shows what was printed.

    `…` stands for anything. A line break in the page may stand for none, so that long lines of
    JSON can be broken.
    """
    pattern = "".join(
        {"…": ".*?", "\n": r"\s*"}.get(part, re.escape(part))
        for part in re.split(r"(…|\n) *", shown.strip())
    )
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None
