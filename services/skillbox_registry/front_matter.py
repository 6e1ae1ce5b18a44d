"""Reads the YAML at the head of SKILL.md, which may be hostile."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

MAX_FRONT_MATTER = 64 * 1024
MAX_NODES = 10_000
MAX_DEPTH = 40

_STRING = "tag:yaml.org,2002:str"
_FIRST_LINE = 2
# What neither Postgres nor UTF-8 can hold, but an escape in YAML can spell.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)


class FrontMatterError(ValueError):
    """The head of SKILL.md cannot be read.

    Attributes:
        line: Line of SKILL.md, counted from 1, where that is known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Value:
    """A value of the front matter and where it stands.

    Attributes:
        data: What YAML makes of it.
        line: Line of SKILL.md on which its key stands.
    """

    data: Any
    line: int
    _node: yaml.Node

    @property
    def text(self) -> str:
        """A scalar as the author wrote it: `1.10` where `data` is 1.1."""
        return self._node.value if isinstance(self._node, yaml.ScalarNode) else ""

    def get(self, key: str) -> "Value | None":
        """Returns a value of a mapping; `None` when it is absent or empty."""
        if not isinstance(self.data, dict) or self.data.get(key) is None:
            return None
        # Merged keys come first and lose.
        for key_node, node in reversed(self._node.value):
            if key_node.value == key:
                return Value(self.data[key], key_node.start_mark.line + _FIRST_LINE, node)
        return None


def split(text: str) -> tuple[str, str]:
    """Splits SKILL.md into its YAML and its Markdown.

    Raises:
        FrontMatterError: There is no front matter, it has no end, or it is too long.
    """
    lines = text.replace("\r\n", "\n")
    opening = _FENCE.match(lines)
    if opening is None:
        raise FrontMatterError("must begin with a line of three dashes, '---'", 1)
    closing = _FENCE.search(lines, opening.end())
    if closing is None:
        raise FrontMatterError("the front matter does not end: a line '---' is missing", 1)
    source = lines[opening.end() + 1 : closing.start()]
    if len(source) > MAX_FRONT_MATTER:
        raise FrontMatterError(f"the front matter is longer than {MAX_FRONT_MATTER} characters", 1)
    return source, lines[closing.end() :].strip()


def load(source: str) -> Value:
    """Reads the YAML, which must be a mapping. Unknown keys are kept.

    Raises:
        FrontMatterError: It does not parse, has a key twice, or is larger than anybody needs.
    """
    try:
        loader = _Loader(source)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise FrontMatterError("the front matter must be a mapping of keys to values", 1)
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + _FIRST_LINE if mark else None
        raise FrontMatterError(f"not valid YAML: {error.problem or error.context}", line) from error
    except yaml.YAMLError as error:
        raise FrontMatterError("not valid YAML: a character is not allowed") from error
    except (ValueError, OverflowError) as error:
        if isinstance(error, FrontMatterError):
            raise
        # A date such as 2024-99-99, or a number of thousands of digits.
        raise FrontMatterError("not valid YAML: a date or number is out of range") from error
    return Value(data, _FIRST_LINE, node)


class _Loader(yaml.SafeLoader):
    """The safe loader, bounded in depth and size, and strict about keys and tags."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self._nodes = 0
        self._depth = 0
        self._weights: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs
        line = event.start_mark.line + _FIRST_LINE
        if getattr(event, "tag", None) not in (None, "!", _STRING):
            raise FrontMatterError("YAML tags are not supported", line)
        before = self._nodes
        self._nodes += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FrontMatterError(f"nested deeper than {MAX_DEPTH} levels", line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            # An alias counts for all that it stands for, so that a few cannot become millions.
            if id(node) not in self._weights:
                raise FrontMatterError("an alias must not refer to what contains it", line)
            self._nodes += self._weights[id(node)]
        elif node is not None:
            self._weights[id(node)] = self._nodes - before
        if self._nodes > MAX_NODES:
            raise FrontMatterError(f"more than {MAX_NODES} values", line)
        if isinstance(node, yaml.ScalarNode) and _UNSTORABLE.search(node.value):
            node.value = _storable(node.value, line)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            identity = (key.tag, key.value if isinstance(key, yaml.ScalarNode) else id(key))
            if identity in seen:
                line = key.start_mark.line + _FIRST_LINE
                raise FrontMatterError(f"the key {key.value[:60]!r} is there twice", line)
            seen.add(identity)
        return node


def _storable(text: str, line: int) -> str:
    """Joins surrogate pairs, by which JSON escapes what lies beyond 16 bits."""
    try:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise FrontMatterError("a text holds half a surrogate pair", line) from None
    if "\0" in text:
        raise FrontMatterError("a text holds a NUL", line)
    return text
