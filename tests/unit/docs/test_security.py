"""SECURITY.md points at tests, pages and settings that are there."""

import re
from pathlib import Path

import pytest

from skillbox_executor.config import ExecutorSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "SECURITY.md").read_text()
PATHS = sorted(set(re.findall(r"`((?:tests|docs|deploy)/[^`]+)`", PAGE)))
SETTINGS = sorted(set(re.findall(r"SKILLBOX_([A-Z_]+)", PAGE)))


@pytest.mark.parametrize("path", PATHS)
def test_what_it_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_each_boundary_is_shown_by_a_test() -> None:
    table = PAGE.partition("## Boundaries")[2].partition("## The box")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        assert re.search(r"`tests/[a-z0-9_/]+/test_[a-z0-9_]+\.py`", row), row


@pytest.mark.parametrize("name", SETTINGS)
def test_its_settings_exist(name: str) -> None:
    assert name.lower() in ExecutorSettings.model_fields
