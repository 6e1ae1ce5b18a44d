"""Turns OpenAPI 2, as protoc-gen-openapiv2 writes it, into OpenAPI 3.1.

Only what that plugin writes for our protos is known here. An operation's `x-openapi3` is
merged into it at the end and says what OpenAPI 2 has no words for.
"""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Json = dict[str, Any]

_JSON = "application/json"
_ADDITIONS = "x-openapi3"
# All else of a parameter is its schema.
_PARAMETER = ("name", "in", "description", "required")


def openapi3(swagger: Json, base: Json) -> Json:
    """Returns `base` with the operations of `swagger` and the schemas that these need."""
    swagger = json.loads(json.dumps(swagger).replace("#/definitions/", "#/components/schemas/"))
    document = deepcopy(base)
    document["paths"] |= {
        path: {method: _operation(operation) for method, operation in methods.items()}
        for path, methods in swagger["paths"].items()
    }
    components = document["components"]
    known = components.pop("schemas") | swagger["definitions"]
    components["schemas"] = _needed(document, known)
    return document


def _operation(operation: Json) -> Json:
    additions = operation.pop(_ADDITIONS)
    comment = "\n\n".join(operation[key] for key in ("summary", "description") if key in operation)
    parameters = operation.get("parameters", [])
    new: Json = {
        "tags": operation["tags"],
        "operationId": operation["operationId"],
        "summary": "",
        # Comments are wrapped, Markdown need not be.
        "description": re.sub(r"(?<!\n)\n(?!\n)", " ", comment),
        "parameters": [
            *(_parameter(item) for item in parameters if item["in"] != "body"),
            *additions.pop("parameters", []),
        ],
    }
    for body in parameters:
        if body["in"] == "body":
            new["requestBody"] = {"required": body["required"], "content": _json(body["schema"])}
    new["responses"] = {
        status: {"description": reply["description"], "content": _json(reply["schema"])}
        for status, reply in operation["responses"].items()
    }
    _merge(new, additions)
    return new


def _parameter(parameter: Json) -> Json:
    schema = {key: value for key, value in parameter.items() if key not in _PARAMETER}
    return {key: parameter[key] for key in _PARAMETER} | {"schema": schema}


def _json(schema: Json) -> Json:
    return {_JSON: {"schema": schema}}


def _merge(target: Json, additions: Json) -> None:
    """Merges in place. None removes, and a reference stands for all there was."""
    for key, value in additions.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict) and "$ref" not in value:
            _merge(target[key], value)
        else:
            target[key] = value


def _needed(document: Json, schemas: Mapping[str, Json]) -> Json:
    """Returns the schemas that `document` refers to, and those that they refer to."""
    needed: Json = {}
    todo = _referred(document)
    while todo:
        needed |= {name: schemas[name] for name in todo}
        todo = _referred(needed) - needed.keys()
    return dict(sorted(needed.items()))


def _referred(document: Json) -> set[str]:
    return set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
