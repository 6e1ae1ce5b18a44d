"""The page on the skill format says what the code does."""

import re
from pathlib import Path

from skillbox_executor.domain import Reason
from skillbox_executor.environment import BLOCKED_NAMES, BLOCKED_PREFIXES
from skillbox_registry.lint import lint

PAGE = (Path(__file__).parents[3] / "docs/SKILL-SPEC.md").read_text()


def test_the_example_is_a_valid_skill(tmp_path: Path) -> None:
    example = re.search(r"````markdown\n(.*?)````", PAGE, re.DOTALL)
    assert example is not None
    (tmp_path / "SKILL.md").write_text(example[1])
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/main.py").write_text("print()\n")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/output.json").write_text('{"type":"object"}')
    assert [check for check in lint(tmp_path) if not check.passed] == []


def test_every_reason_is_explained() -> None:
    assert {name for name in Reason if f"`{name}`" not in PAGE} == set()


def test_every_blocked_name_is_listed() -> None:
    assert {
        name for name in (*BLOCKED_NAMES, *BLOCKED_PREFIXES) if f"`{name}`" not in PAGE
    } == set()
