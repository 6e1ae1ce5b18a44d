"""A skill as a tool that an agent calls: what the model is told, and what it gets back."""

import json
from typing import Any

from skillbox.client import APIError, RunResult, SkillDetail

_ROOT = ("$schema", "$defs", "definitions")

INPUT_DESCRIPTION = "Input of the skill, as its instructions describe it."
_ANY_INPUT = {"type": "object", "description": INPUT_DESCRIPTION}


def can_run(skill: SkillDetail) -> bool:
    """Tells whether a skill has something to run; instructions alone are no tool."""
    return skill.mode != "instructions"


def description(skill: SkillDetail) -> str:
    """Returns what tells a model when and how to use a skill."""
    return "\n\n".join(text for text in (skill.description, skill.instructions) if text)


def takes_object(skill: SkillDetail) -> bool:
    """Tells whether the arguments of the tool are the input, and not its member `input`."""
    return skill.input_schema is not None and skill.input_schema.get("type") == "object"


def arguments_schema(skill: SkillDetail) -> dict[str, Any]:
    """Returns the JSON Schema of the tool's arguments, which always are an object."""
    if takes_object(skill):
        return {"properties": {}, **(skill.input_schema or {})}
    # References within the schema go from its root, which is further up then.
    inner = dict(_ANY_INPUT if skill.input_schema is None else skill.input_schema)
    outer: dict[str, Any] = {name: inner.pop(name) for name in _ROOT if name in inner}
    required = [] if skill.input_schema is None else ["input"]
    return {**outer, "type": "object", "properties": {"input": inner}, "required": required}


def to_input(skill: SkillDetail, arguments: dict[str, Any]) -> Any:
    """Returns the input that the arguments of a call stand for."""
    return arguments if takes_object(skill) else arguments.get("input")


def result_text(result: RunResult) -> str:
    """Returns what a model reads of a run: its output, or why there is none."""
    if result.status != "success":
        return error_text(result.error or f"the run ended as {result.status}")
    # Only integers of thousands of digits are no JSON for the library.
    return json.dumps(result.output, indent=2, ensure_ascii=False, default=str)


def error_text(error: str | APIError) -> str:
    """Returns what a model reads of a failure."""
    return f"Error: {error}"
