"""Which script of an archive a run starts, and in which language."""

from collections.abc import Set
from pathlib import PurePosixPath

LANGUAGES = {".py": "python", ".js": "node", ".sh": "bash"}
"""Ending of a script to the `lang` that runs it."""

CANDIDATES = tuple(
    f"{folder}{name}"
    for folder in ("", "scripts/")
    for name in ("main.py", "run.py", "main.js", "main.sh")
)
"""Where an entry point may be; the first that is there wins."""


class LanguageMismatch(Exception):
    """The archive has an entry point, but none in the language that SKILL.md names."""


def find_entry_point(files: Set[str], lang: str) -> str:
    """Returns the entry point, or nothing when there is none.

    Args:
        lang: What SKILL.md says; empty when it leaves that to the ending.

    Raises:
        LanguageMismatch: See there.
    """
    present = [path for path in CANDIDATES if path in files]
    fitting = [path for path in present if lang in ("", language_of(path))]
    if present and not fitting:
        path = present[0]
        raise LanguageMismatch(f"{lang!r} does not fit {path}, which is {language_of(path)!r}")
    return fitting[0] if fitting else ""


def language_of(path: str) -> str:
    """Returns the language of a script, or nothing when its ending says none."""
    return LANGUAGES.get(PurePosixPath(path).suffix, "")
