"""Checks inputs and outputs against a skill's JSON Schema.

Schemas come from tenants. The validator works in linear time, also for patterns, and never
fetches a reference.
"""

import json
from functools import lru_cache
from typing import Any

import jsonschema_rs

_MAX_PROBLEMS = 5
# Rules whose messages, with the value masked, speak of the schema and not of the document.
_TOLD = frozenset(
    {
        "type",
        "required",
        "enum",
        "const",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    }
)


class SchemaViolation(Exception):
    """The text lists what does not fit, without the values."""


def check(schema_json: str, document_json: str) -> None:
    """Validates a document. Blocking.

    Raises:
        SchemaViolation: It does not satisfy the schema, or the schema cannot be used.
    """
    if not schema_json:
        return
    try:
        validator = _validator(schema_json)
        document = json.loads(document_json, parse_int=_integer)
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError) as error:
        raise SchemaViolation(f"the schema cannot be used: {type(error).__name__}") from error
    problems = []
    for problem in validator.iter_errors(document):
        path = "/".join(str(part) for part in problem.instance_path) or "(root)"
        rule = problem.kind.name
        problems.append(f"{path}: {problem.message if rule in _TOLD else f'breaks {rule}'}")
        if len(problems) == _MAX_PROBLEMS:
            break
    if problems:
        raise SchemaViolation("; ".join(problems))


def _integer(digits: str) -> int | float:
    # Python refuses to read integers of more than 4,300 digits; as a number they are fine.
    return int(digits) if len(digits) < 4000 else float(digits)


@lru_cache(maxsize=256)
def _validator(schema_json: str) -> jsonschema_rs.Draft202012Validator:
    def refuse(uri: str) -> Any:
        raise ValueError("references to other documents are not followed")

    return jsonschema_rs.Draft202012Validator(
        json.loads(schema_json),
        pattern_options=jsonschema_rs.RegexOptions(),
        retriever=refuse,
        mask="the value",
    )
