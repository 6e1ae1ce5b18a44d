import json

import pytest

from skillbox_executor import schemas
from skillbox_executor.schemas import SchemaViolation

SCHEMA = json.dumps(
    {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "array", "items": {"type": "integer"}}},
    }
)


@pytest.mark.parametrize("document", ['{"data":[1]}', '{"data":[123456789012345678901234567890]}'])
def test_what_fits_passes(document: str) -> None:
    schemas.check(SCHEMA, document)
    schemas.check("", document)


@pytest.mark.parametrize("document", ["{}", '{"data":["secret"]}', '{"data":1}', "[]"])
def test_what_does_not_fit_is_named_without_its_value(document: str) -> None:
    with pytest.raises(SchemaViolation) as caught:
        schemas.check(SCHEMA, document)
    assert "secret" not in str(caught.value)


def test_the_path_is_named() -> None:
    with pytest.raises(SchemaViolation, match='data/1: the value is not of type "integer"'):
        schemas.check(SCHEMA, '{"data":[1,"x"]}')


def test_a_missing_property_is_named() -> None:
    with pytest.raises(SchemaViolation, match='"data" is a required property'):
        schemas.check(SCHEMA, "{}")


@pytest.mark.parametrize("rule", ["additionalProperties", "unevaluatedProperties"])
def test_names_that_no_schema_knows_are_not_told(rule: str) -> None:
    with pytest.raises(SchemaViolation, match=r"^\(root\): breaks ") as caught:
        schemas.check(json.dumps({rule: False}), '{"secret":1}')
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("schema", ['{"$ref":"http://127.0.0.1:9/x.json"}', '{"type":5}', "[", "1"])
def test_a_schema_that_cannot_be_used_refuses(schema: str) -> None:
    with pytest.raises(SchemaViolation):
        schemas.check(schema, "{}")


def test_a_pattern_cannot_take_exponential_time() -> None:
    schemas_pattern = json.dumps({"pattern": "^(a+)+$"})
    with pytest.raises(SchemaViolation):
        schemas.check(schemas_pattern, json.dumps("a" * 50_000 + "!"))


@pytest.mark.parametrize(
    "schema",
    [
        '{"$ref":"#"}',
        '{"allOf":[{"$ref":"#"}]}',
        '{"$dynamicRef":"#"}',
        '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}',
    ],
)
def test_a_schema_that_refers_to_itself_ends(schema: str) -> None:
    schemas.check(schema, "[" * 200 + "]" * 200)
