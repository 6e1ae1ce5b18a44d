"""JSON as text, so that numbers, key order and escapes of a skill stay as they are."""

import json
import re
from collections.abc import Iterable
from dataclasses import fields

from skillbox.client import RunResult

_PIECE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')
_OPENING = ("[", "{")
_CLOSING = ("]", "}")
_ALWAYS = ("execution_id", "status", "duration_ms", "error")
_EMPTY: tuple[object, ...] = (None, "", [], {})


def indent(text: str) -> str:
    """Lays out valid JSON text over indented lines without touching its values."""
    parts: list[str] = []
    depth = 0
    previous = ":"
    for piece in _PIECE.findall(text):
        if piece in _CLOSING:
            depth -= 1
            new_line = previous not in _OPENING
        else:
            new_line = previous in _OPENING or previous == ","
        if new_line:
            parts.append("\n" + "  " * depth)
        if piece in _OPENING:
            depth += 1
        parts.append(": " if piece == ":" else piece)
        previous = piece
    return "".join(parts)


def result_text(result: RunResult, kind: type[RunResult] | None = None) -> str:
    """Writes a result as JSON, its members in the order of `RunResult`.

    Input and output are the skill's own text. As over REST, empty members are left out, but
    for those that are always there.

    Args:
        kind: Whose members to write; default: all that there are.
    """
    members: list[str] = []
    for item in fields(kind or result):
        value = getattr(result, item.name)
        raw = getattr(result, f"{item.name}_json", "")
        if item.name.endswith("_json"):
            continue
        if not raw and value in _EMPTY:
            if item.name not in _ALWAYS:
                continue
            raw = "null"
        members.append(f'"{item.name}":{raw or json.dumps(value, ensure_ascii=False)}')
    return "{" + ",".join(members) + "}"


def array_text(items: Iterable[str]) -> str:
    """Joins JSON texts to an array."""
    return "[" + ",".join(items) + "]"
