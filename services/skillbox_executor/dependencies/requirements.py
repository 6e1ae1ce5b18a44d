"""Reads requirements.txt: names and versions, and nothing that reaches elsewhere."""

import re
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from skillbox_executor.dependencies.errors import DependencyError

MAX_BYTES = 64 * 1024
MAX_REQUIREMENTS = 500

_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"\s--hash[= ](sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})\b")


def parse(name: str, content: bytes) -> tuple[str, ...]:
    """Returns the requirements, each in its one spelling, sorted.

    Args:
        name: Of the file, for the error.

    Raises:
        DependencyError: The file is too large, or a line is no plain requirement.
    """
    if len(content) > MAX_BYTES:
        raise DependencyError(
            f"{name} has {len(content)} bytes: expected {MAX_BYTES} bytes at most"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DependencyError(f"{name} is not UTF-8") from None
    found = {_normal(f"{name} line {number}", line) for number, line in _lines(text)}
    if len(found) > MAX_REQUIREMENTS:
        raise DependencyError(
            f"{name} has {len(found)} requirements: expected {MAX_REQUIREMENTS} at most"
        )
    return tuple(sorted(found))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields logical lines that say something, with the number of their first line."""
    joined, first = "", 0
    for number, physical in enumerate([*text.splitlines(), ""], start=1):
        first = first or number
        line = _COMMENT.sub("", physical)
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        if logical := (joined + line).strip():
            yield first, logical
        joined, first = "", 0


def _normal(where: str, line: str) -> str:
    hashes = sorted(_HASH.findall(line))
    plain = _HASH.sub("", line).strip()
    if plain.startswith("-") or " -" in plain:
        raise DependencyError(
            f"{where}: {plain[:200]!r} is not allowed: expected a package, options other than "
            "--hash belong to the server's operator"
        )
    # pip would put the builder's environment in place of it.
    if "$" in plain:
        raise DependencyError(f"{where}: {plain[:200]!r} is not allowed: expected no variable")
    try:
        requirement = Requirement(plain)
    except InvalidRequirement:
        raise DependencyError(
            f"{where}: {plain[:200]!r} is not valid: expected a package such as name==1.2.3"
        ) from None
    if requirement.url is not None:
        raise DependencyError(
            f"{where}: {plain[:200]!r} is not allowed: expected a package of the index, "
            "not an address or a path"
        )
    requirement.name = canonicalize_name(requirement.name)
    return " ".join([str(requirement), *(f"--hash={each}" for each in hashes)])
