"""Compares texts in which `<placeholders>` stand for what differs from call to call."""

import re

_PLACEHOLDERS = {
    "uuid": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "int": "[0-9]+",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "hex": "[0-9a-f]+",
    "any": ".*",
    "text": r'([^"\\]|\\.)*',
    "url": r'http://127\.0\.0\.1:\d+/executions/[^"]+/files\.tar\.gz\?[^"]*X-Amz-Expires=3600&[^"]*',
    "sandbox": r'\{"driver":"bubblewrap",[^\[]*"controls":\[[^\]]+\]\}',
}
_PLACEHOLDER = re.compile(f"<({'|'.join(_PLACEHOLDERS)})>")


def matches(expected: str, found: str) -> bool:
    """Tells whether a text is as expected."""
    pattern, position = "", 0
    for placeholder in _PLACEHOLDER.finditer(expected):
        pattern += re.escape(expected[position : placeholder.start()])
        pattern += f"(?:{_PLACEHOLDERS[placeholder[1]]})"
        position = placeholder.end()
    return re.fullmatch(pattern + re.escape(expected[position:]), found, re.DOTALL) is not None


def has(found: object, expected: object) -> bool:
    """Tells whether a JSON value has all that is expected of it: objects may hold more."""
    match expected:
        case dict():
            return isinstance(found, dict) and all(
                key in found and has(found[key], value) for key, value in expected.items()
            )
        case list():
            return (
                isinstance(found, list)
                and len(found) == len(expected)
                and all(map(has, found, expected))
            )
        case str():
            return isinstance(found, str) and matches(expected, found)
    return found == expected
