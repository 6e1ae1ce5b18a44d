import re

import pytest

from skillbox_registry.lint import lint
from tests.unit.examples.running import SKILLS

NAMES = sorted(path.name for path in SKILLS.iterdir())


def test_there_is_one_for_each_language() -> None:
    endings = {path.suffix for path in SKILLS.glob("*/scripts/main.*")}
    assert endings == {".py", ".js", ".sh"}


@pytest.mark.parametrize("name", NAMES)
def test_the_validator_has_nothing_to_say(name: str) -> None:
    # A passed check with a message is a warning.
    assert [check for check in lint(SKILLS / name) if not check.passed or check.message] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_finds_what_it_needs(name: str) -> None:
    text = (SKILLS / name / "SKILL.md").read_text()
    assert f"name: {name}\n" in text
    assert re.search(r"^## Input$", text, re.MULTILINE)
    assert re.search(r"^## Output$", text, re.MULTILINE)
