"""What an agent is told about a skill, and what it reads of a run."""

from decimal import Decimal
from typing import Any

import pytest

from skillbox import APIError, RunResult, SkillDetail, tools

ANY = {"type": "object", "description": tools.INPUT_DESCRIPTION}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (None, {"type": "object", "properties": {"input": ANY}, "required": []}),
        (
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        ),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        (
            {"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "number"}}},
            {
                "type": "object",
                "properties": {"input": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
                "required": ["input"],
                "$defs": {"n": {"type": "number"}},
            },
        ),
        (
            {"anyOf": [{"type": "object"}, {"type": "null"}]},
            {
                "type": "object",
                "properties": {"input": {"anyOf": [{"type": "object"}, {"type": "null"}]}},
                "required": ["input"],
            },
        ),
        ({}, {"type": "object", "properties": {"input": {}}, "required": ["input"]}),
    ],
)
def test_arguments_are_an_object(schema: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    skill = SkillDetail(input_schema=schema)
    assert tools.arguments_schema(skill) == expected
    # The skill keeps its own.
    assert skill == SkillDetail(input_schema=schema)


@pytest.mark.parametrize(
    ("schema", "arguments", "expected"),
    [
        ({"type": "object"}, {"input": 1, "a": 2}, {"input": 1, "a": 2}),
        ({"type": "array"}, {"input": [1]}, [1]),
        (None, {"input": {"a": 1}}, {"a": 1}),
        (None, {}, None),
    ],
)
def test_arguments_become_input(schema: Any, arguments: dict[str, Any], expected: Any) -> None:
    assert tools.to_input(SkillDetail(input_schema=schema), arguments) == expected


@pytest.mark.parametrize(
    ("skill", "text"),
    [
        (SkillDetail(description="Does it.", instructions="# How"), "Does it.\n\n# How"),
        (SkillDetail(description="Does it."), "Does it."),
    ],
)
def test_the_description(skill: SkillDetail, text: str) -> None:
    assert tools.description(skill) == text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (RunResult(status="success", output={"a": ["ü"]}), '{\n  "a": [\n    "ü"\n  ]\n}'),
        (RunResult(status="success", output=2**70), "1180591620717411303424"),
        (RunResult(status="success"), "null"),
        (RunResult(status="failed", error="it broke", output={"a": 1}), "Error: it broke"),
        (RunResult(status="cancelled"), "Error: the run ended as cancelled"),
    ],
)
def test_the_result(result: RunResult, text: str) -> None:
    assert tools.result_text(result) == text


def test_a_refusal() -> None:
    error = APIError(429, "resource_exhausted", "full")
    assert tools.error_text(error) == "Error: skillbox: 429 resource_exhausted: full"


def test_instructions_alone_are_no_tool() -> None:
    assert tools.can_run(SkillDetail(mode="executable"))
    assert not tools.can_run(SkillDetail(mode="instructions"))


def test_an_integer_that_the_library_does_not_write_is_text() -> None:
    result = RunResult(status="success", output={"n": Decimal("7" * 5000)})
    assert tools.result_text(result) == f'{{\n  "n": "{"7" * 5000}"\n}}'
