"""Checks that a skill's schema is JSON Schema 2020-12 and refers to nothing outside itself."""

import json
import math
import re
from typing import Any, NoReturn

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

MAX_SCHEMA = 64 * 1024
# To check a schema costs a fraction of a millisecond for each of its values.
MAX_VALUES = 5_000
# Deeper ones do not fit the 100 levels that a Protobuf message may have.
MAX_DEPTH = 30

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCES = ("$ref", "$dynamicRef")
# The others are checked only where certain packages happen to be installed.
_FORMATS = FormatChecker(["regex"])
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class UnusableSchema(ValueError):
    """The text says why."""


def parse_schema(content: bytes) -> Any:
    """Reads a JSON file.

    Raises:
        UnusableSchema: It is no JSON.
    """
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except UnusableSchema:
        raise
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UnusableSchema(f"not valid JSON{where}") from error


def check_schema(schema: object) -> str:
    """Checks a schema.

    Returns:
        The schema as JSON.

    Raises:
        UnusableSchema: It is no JSON Schema 2020-12, or has a reference that leads nowhere or
            to another document.
    """
    if not isinstance(schema, dict):
        raise UnusableSchema("expected a JSON Schema that is an object")
    if _check_tree(schema, 1) > MAX_VALUES:
        raise UnusableSchema(f"more than {MAX_VALUES} values")
    if str(schema.get("$schema", _DIALECT)).rstrip("#") != _DIALECT:
        raise UnusableSchema(f"$schema: expected {_DIALECT}")
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_SCHEMA:
        raise UnusableSchema(f"longer than {MAX_SCHEMA} characters")
    try:
        Draft202012Validator.check_schema(schema, _FORMATS)
        dangling = _dangling_references(schema)
    except SchemaError as error:
        path = "/".join(map(str, error.path)) or "(root)"
        raise UnusableSchema(f"not valid JSON Schema 2020-12 at {path[:100]}") from error
    except (RecursionError, OverflowError, ValueError) as error:
        # A pattern that is too large to compile, or an $id that is no URI.
        raise UnusableSchema("has a pattern or an $id that cannot be used") from error
    if dangling:
        raise UnusableSchema(f"$ref {dangling[0][:100]!r} leads nowhere")
    return text


def _check_tree(value: object, depth: int) -> int:
    """Refuses what JSON or Protobuf cannot hold, and references to other documents.

    Returns:
        The number of values.
    """
    if depth > MAX_DEPTH:
        raise UnusableSchema(f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case dict():
            for key, item in value.items():
                _check_key(key, item)
            return 1 + sum(_check_tree(item, depth + 1) for item in value.values())
        case list():
            return 1 + sum(_check_tree(item, depth + 1) for item in value)
        case str():
            _check_text(value)
        case bool() | None:
            pass
        case int() | float():
            _check_number(value)
        case _:
            raise UnusableSchema(f"{str(value)[:40]!r} is no JSON value: quote it")
    return 1


def _check_key(key: object, value: object) -> None:
    if not isinstance(key, str):
        raise UnusableSchema(f"the key {key!r} is not a text: quote it")
    _check_text(key)
    if key in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
        raise UnusableSchema(f"{key} {value[:100]!r}: expected one that begins with #")


def _check_text(text: str) -> None:
    if _UNSTORABLE.search(text):
        raise UnusableSchema("a text holds a NUL or half a surrogate pair")


def _check_number(value: float) -> None:
    try:
        finite = math.isfinite(float(value))
    except OverflowError:
        finite = False
    if not finite:
        raise UnusableSchema("a number is out of range")


def _dangling_references(schema: dict[str, Any]) -> list[str]:
    """Looks every reference up and returns those that lead nowhere."""
    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("", root).crawl()
    dangling = []
    waiting = [(registry.resolver_with_root(root), root)]
    while waiting:
        resolver, resource = waiting.pop()
        references = resource.contents if isinstance(resource.contents, dict) else {}
        for reference in (references[key] for key in _REFERENCES if key in references):
            try:
                resolver.lookup(reference)
            except (Unresolvable, ValueError):
                dangling.append(reference)
        waiting += [(resolver.in_subresource(sub), sub) for sub in resource.subresources()]
    return dangling


def _refuse_constant(name: str) -> NoReturn:
    raise UnusableSchema(f"{name} is no JSON value")
