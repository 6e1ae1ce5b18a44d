from pathlib import Path
from typing import Any

import pytest

from tests.unit.examples.running import error_of, run_skill


def test_a_list_of_numbers(tmp_path: Path) -> None:
    ran = run_skill("data-analysis", tmp_path, {"data": [1, 2, 3, 4, 5]})
    assert ran.exit_code == 0, ran.stderr
    assert ran.output == {
        "row_count": 5,
        "missing": 0,
        "sum": 15.0,
        "mean": 3.0,
        "median": 3.0,
        "min": 1.0,
        "max": 5.0,
        "stdev": 1.5811388300841898,
    }
    assert "| mean | 3 |" in ran.files["report.md"]
    assert ran.stdout.splitlines() == ["Analysing 5 numbers", "Wrote report.md"]


def test_missing_values_are_left_out_of_the_figures(tmp_path: Path) -> None:
    output = run_skill("data-analysis", tmp_path, {"data": [1, None, 3]}).output
    assert (output["row_count"], output["missing"], output["mean"]) == (3, 1, 2.0)


def test_a_single_value_has_no_spread(tmp_path: Path) -> None:
    assert run_skill("data-analysis", tmp_path, {"data": [7]}).output["stdev"] == 0.0


def test_records(tmp_path: Path) -> None:
    records = [
        {"city": "Oslo", "population": 400},
        {"city": "Rome", "population": 600},
        {"city": "Oslo", "note": "a | b"},
    ]
    ran = run_skill("data-analysis", tmp_path, {"data": records})
    assert ran.output["row_count"] == 3
    assert ran.output["columns"]["city"] == {
        "type": "text",
        "missing": 0,
        "unique": 2,
        "top": "Oslo",
        "top_count": 2,
    }
    assert ran.output["columns"]["population"]["mean"] == 500.0
    assert ran.output["columns"]["population"]["missing"] == 1
    assert ran.output["columns"]["note"]["missing"] == 2
    assert "## population" in ran.files["report.md"]
    assert "a \\| b" in ran.files["report.md"]


def test_csv(tmp_path: Path) -> None:
    text = 'name,score\r\n"Ada, Countess",1.5\r\nAlan,\r\nKurt,2.5\r\n'
    columns = run_skill("data-analysis", tmp_path, {"data": text}).output["columns"]
    assert columns["name"]["top"] == "Ada, Countess"
    assert columns["score"]["mean"] == 2.0
    assert columns["score"]["missing"] == 1


def test_a_csv_column_with_a_single_word_is_text(tmp_path: Path) -> None:
    columns = run_skill("data-analysis", tmp_path, {"data": "x\n1\ntwo\n"}).output["columns"]
    assert columns["x"]["type"] == "text"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, 'expected an object with "data"'),
        ([1, 2], 'expected an object with "data"'),
        ({"data": []}, "data must be a list that is not empty, or CSV text"),
        ({"data": 5}, "data must be a list that is not empty, or CSV text"),
        ({"data": [1, "x"]}, 'data[1] is "x", expected a number'),
        ({"data": [1, True]}, "data[1] is true, expected a number"),
        ({"data": [None]}, "data has no number"),
        ({"data": [{"a": 1}, 2]}, "data[1] is 2, expected a record like the others"),
        ({"data": ""}, "data has no line below the header"),
        ({"data": "a,b\n1,2,3\n"}, "data, row 2: more cells than the header has columns"),
        ({"data": [10**400]}, "data has numbers that are too large to compute with"),
        ({"data": [1e308, 1e308]}, "data has numbers that are too large to compute with"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, data: Any, message: str) -> None:
    assert error_of(run_skill("data-analysis", tmp_path, data)) == message
