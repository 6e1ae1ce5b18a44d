from copy import deepcopy
from typing import Any

from tools.openapi3 import openapi3

BASE: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {"/health": {"get": {}}},
    "components": {"schemas": {"Error": {"type": "object"}, "Unused": {}}},
}


def convert(**operation: Any) -> dict[str, Any]:
    """Converts an operation; returns it and the schemas of the document."""
    swagger = {
        "paths": {
            "/v1/things": {
                "post": {
                    "summary": "Thing is\none line.",
                    "operationId": "Thing",
                    "tags": ["things"],
                    "responses": {
                        "200": {
                            "description": "Good.",
                            "schema": {"$ref": "#/definitions/Reply"},
                        }
                    },
                    "x-openapi3": {"summary": "A thing"},
                    **operation,
                }
            }
        },
        "definitions": {
            "Reply": {"properties": {"part": {"$ref": "#/definitions/Part"}}},
            "Part": {"type": "string"},
            "HttpBody": {},
        },
    }
    base = deepcopy(BASE)
    document = openapi3(swagger, base)
    assert base == BASE
    assert document["paths"]["/health"] == {"get": {}}
    converted: dict[str, Any] = document["paths"]["/v1/things"]["post"]
    return converted | {"schemas": document["components"]["schemas"]}


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_a_comment_is_the_description() -> None:
    operation = convert()
    assert operation["summary"] == "A thing"
    assert operation["description"] == "Thing is one line."
    assert operation["operationId"] == "Thing"


def test_only_needed_schemas_stay() -> None:
    assert convert()["schemas"] == {
        "Part": {"type": "string"},
        "Reply": {"properties": {"part": reference("Part")}},
    }


def test_parameters_have_a_schema_and_the_body_is_none_of_them() -> None:
    page_size = {"name": "page_size", "in": "query", "description": "Size.", "required": False}
    body = {"name": "body", "in": "body", "required": True, "schema": reference("Part")}
    operation = convert(
        parameters=[page_size | {"type": "integer", "format": "int32"}, body],
        **{"x-openapi3": {"parameters": [{"$ref": "#/components/parameters/Tenant"}]}},
    )
    assert operation["parameters"] == [
        page_size | {"schema": {"type": "integer", "format": "int32"}},
        {"$ref": "#/components/parameters/Tenant"},
    ]
    assert operation["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": reference("Part")}},
    }


def test_additions_are_merged() -> None:
    reply = convert()["responses"]["200"]
    operation = convert(
        **{
            "x-openapi3": {
                "responses": {"200": {"headers": {"A": {}}}, "404": reference("Error")},
            }
        }
    )
    assert operation["responses"] == {
        "200": reply | {"headers": {"A": {}}},
        "404": reference("Error"),
    }


def test_none_removes_and_a_reference_replaces() -> None:
    additions = {"description": None, "responses": {"200": reference("Error")}}
    operation = convert(**{"x-openapi3": additions})
    assert "description" not in operation
    assert operation["responses"] == {"200": reference("Error")}
    assert operation["schemas"] == {"Error": {"type": "object"}}
