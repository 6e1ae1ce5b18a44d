from pathlib import Path
from typing import Any

import pytest

from tests.unit.examples.running import error_of, run_skill

PEOPLE = [
    {"name": "Ada", "age": 36, "tags": ["maths"]},
    {"name": "Alan", "age": 41, "tags": ["maths", "machines"]},
    {"name": "Grace", "age": 85},
]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], PEOPLE),
        (
            [{"where": {"field": "age", "op": ">", "value": 40}}, {"pick": ["name"]}],
            [{"name": "Alan"}, {"name": "Grace"}],
        ),
        (
            [
                {"where": {"field": "tags", "op": "contains", "value": "machines"}},
                {"pick": ["age"]},
            ],
            [{"age": 41}],
        ),
        ([{"where": {"field": "age", "op": "<", "value": "a"}}], []),
        (
            [
                {"drop": ["tags", "age"]},
                {"rename": {"name": "who"}},
                {"sort": "-who"},
                {"limit": 2},
            ],
            [{"who": "Grace"}, {"who": "Alan"}],
        ),
        ([{"pick": ["tags"]}, {"sort": "tags"}, {"count": "tags"}, {"limit": 1}], None),
        ([{"count": "tags"}, {"sort": "count"}, {"limit": 0}], []),
    ],
)
def test_steps(tmp_path: Path, steps: list[Any], expected: Any) -> None:
    ran = run_skill("json-transform", tmp_path, {"records": PEOPLE, "steps": steps})
    assert ran.exit_code == 0, ran.stderr
    if expected is None:
        expected = [{"tags": ["maths"], "count": 1}]
    assert ran.output == {"count": len(expected), "records": expected}
    assert len(ran.stdout.splitlines()) == len(steps)
    assert ran.files["records.jsonl"].count("\n") == len(expected)


def test_records_without_the_field_come_last(tmp_path: Path) -> None:
    data = {"records": [{"a": None}, {"b": 2}, {"b": 1}], "steps": [{"sort": "-b"}]}
    assert run_skill("json-transform", tmp_path, data).output["records"] == [
        {"b": 2},
        {"b": 1},
        {"a": None},
    ]


def test_prototypes_are_out_of_reach(tmp_path: Path) -> None:
    data = {
        "records": [{"a": 1}],
        "steps": [
            {"where": {"field": "__proto__", "op": "!=", "value": None}},
            {"pick": ["toString"]},
        ],
    }
    assert run_skill("json-transform", tmp_path, data).output["records"] == [{}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], 'expected an object with the lists "records" and "steps"'),
        ({"records": [1], "steps": []}, "records[0] is not an object"),
        ({"records": [], "steps": [{}]}, "steps[0]: expected an object with one key"),
        ({"records": [], "steps": [{"pik": 1}]}, 'steps[0]: unknown step "pik"'),
        ({"records": [], "steps": [{"toString": 1}]}, 'steps[0]: unknown step "toString"'),
        ({"records": [], "steps": [{"pick": "a"}]}, "steps[0].pick: expected a list of fields"),
        ({"records": [], "steps": [{"limit": -1}]}, "steps[0].limit: expected an integer from 0"),
        (
            {"records": [], "steps": [{"where": {"field": "a", "op": "~"}}]},
            'steps[0].where: expected "op" to be one of == != < <= > >= contains',
        ),
    ],
)
def test_bad_input_is_named(tmp_path: Path, data: Any, message: str) -> None:
    assert error_of(run_skill("json-transform", tmp_path, data)) == message
