"""What a schema must keep to be stored."""

from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from skillbox.registry.v1.skill_pb2 import Skill
from skillbox_registry.json_schema import (
    MAX_DEPTH,
    MAX_SCHEMA,
    MAX_VALUES,
    UnusableSchema,
    check_schema,
    parse_schema,
)


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "array"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$anchor": "x", "anyOf": [{"$ref": "#x"}]}}},
        {"$id": "https://example.com/s", "$ref": "#/$defs/a", "$defs": {"a": True}},
        {"properties": {"$ref": {"type": "string"}}},
        {"$dynamicRef": "#node", "$defs": {"n": {"$dynamicAnchor": "node"}}},
        {"unknown keyword": 1, "pattern": "^a+$", "const": None, "default": 1.5},
        nested(MAX_DEPTH - 1),
    ],
)
def test_a_good_schema_comes_back_as_json(schema: dict[str, Any]) -> None:
    text = check_schema(schema)
    assert parse_schema(text.encode()) == schema
    # The reply to GetSkill must survive the limits of Protobuf on its way.
    struct = json_format.ParseDict(schema, Struct())
    Skill.FromString(Skill(input_schema=struct).SerializeToString())


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, "expected a JSON Schema that is an object"),
        ([], "expected a JSON Schema that is an object"),
        ("{}", "expected a JSON Schema that is an object"),
        ({"type": "text"}, "not valid JSON Schema 2020-12 at type"),
        ({"properties": {"a": {"minimum": "1"}}}, "at properties/a/minimum"),
        ({"required": "a"}, "at required"),
        ({"pattern": "("}, "at pattern"),
        ({"pattern": "(" * 5000 + ")" * 5000}, "a pattern or an $id that cannot be used"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema: expected"),
        ({"$schema": 7}, "$schema: expected"),
        ({"$ref": "https://example.com/s"}, "expected one that begins with #"),
        ({"$ref": "other.json#/a"}, "expected one that begins with #"),
        ({"$ref": "file:///etc/passwd"}, "expected one that begins with #"),
        ({"x": {"y": [{"$ref": "http://169.254.169.254/"}]}}, "expected one that begins with #"),
        ({"$dynamicRef": "https://example.com/s"}, "expected one that begins with #"),
        ({"$ref": "#/$defs/missing"}, "'#/$defs/missing' leads nowhere"),
        ({"allOf": [{"$ref": "#nowhere"}]}, "'#nowhere' leads nowhere"),
        ({"$ref": "#/allOf/x", "allOf": [{}]}, "'#/allOf/x' leads nowhere"),
        ({"$id": "http://[", "$defs": {"a": {"$id": "b"}}}, "cannot be used"),
        ({1: {}}, "the key 1 is not a text"),
        ({True: {}}, "the key True is not a text"),
        ({"const": object()}, "is no JSON value"),
        ({"const": float("inf")}, "a number is out of range"),
        ({"const": 10**400}, "a number is out of range"),
        ({"const": "\0"}, "a NUL or half"),
        ({"\ud800": {}}, "a NUL or half"),
        ({"description": "x" * MAX_SCHEMA}, f"longer than {MAX_SCHEMA} characters"),
        ({"enum": list(range(MAX_VALUES))}, f"more than {MAX_VALUES} values"),
        (nested(MAX_DEPTH), "nested deeper"),
    ],
)
def test_a_schema_that_cannot_be_used(schema: object, expected: str) -> None:
    with pytest.raises(UnusableSchema) as caught:
        check_schema(schema)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not valid JSON (line 1)"),
        (b'{\n"a": }', "not valid JSON (line 2)"),
        (b'{"a": NaN}', "NaN is no JSON value"),
        (b'{"a": -Infinity}', "-Infinity is no JSON value"),
        (b"\xff", "not valid JSON"),
        (b"[" * 60_000, "not valid JSON"),
        (b"1" * 5_000, "not valid JSON"),
    ],
)
def test_a_file_that_is_no_json(content: bytes, expected: str) -> None:
    with pytest.raises(UnusableSchema) as caught:
        parse_schema(content)
    assert expected in str(caught.value)
