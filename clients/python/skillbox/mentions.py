"""Finds mentions of skills in a text: `$[namespace:…].skill_name`.

>>> [mention] = find_mentions("Sum it up with $[acme:finance].data-analysis, please.")
>>> mention.namespace, mention.name
(('acme', 'finance'), 'data-analysis')
"""

import re
from dataclasses import dataclass

__all__ = ["Mention", "find_mentions"]

# What looks like a mention. Taking whole runs of word characters here keeps a fragment that is
# too long, or goes on in capitals, from being read as the valid mention that it begins with.
_CANDIDATE = re.compile(r"\$\[([a-z0-9:-]+)\]\.([\w-]+)")
_SEGMENT = r"[a-z0-9-]{2,64}"
_NAMESPACE = re.compile(rf"{_SEGMENT}(?::{_SEGMENT}){{0,6}}")
_NAME = re.compile(r"[a-z0-9-][a-z0-9_-]{0,62}[a-z0-9-]")


@dataclass(frozen=True)
class Mention:
    """A skill that a text refers to.

    Attributes:
        namespace: From one to seven segments.
        start: Where it begins in the text; `text[start:end]` is the whole mention.
        end: Where the text goes on.
    """

    namespace: tuple[str, ...]
    name: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"$[{':'.join(self.namespace)}].{self.name}"


def find_mentions(text: str) -> list[Mention]:
    """Returns the mentions of a text in their order, repeated ones included.

    A namespace has 1 to 7 segments joined by `:`, each 2 to 64 of `a-z`, `0-9` and `-`; a name
    is 2 to 64 of the same characters and, but not first or last, `_`. Whatever does not keep to
    that is plain text.
    """
    return [
        Mention(tuple(found[1].split(":")), found[2], found.start(), found.end())
        for found in _CANDIDATE.finditer(text)
        if _NAMESPACE.fullmatch(found[1]) and _NAME.fullmatch(found[2])
    ]
