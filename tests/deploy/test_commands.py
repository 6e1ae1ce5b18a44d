"""The tests of this folder type what the pages say."""

import re

import pytest

from tests.deploy.compose_stack import ROOT

TYPED = ("make compose-up", "make compose-examples")
"""By the fixture `stack` and by `test_every_example`."""


@pytest.mark.parametrize(
    ("page", "section"), [("README.md", "Put it on a server"), ("docs/DEPLOY.md", "Start")]
)
def test_pages_say_what_is_typed_here(page: str, section: str) -> None:
    text = (ROOT / page).read_text()
    block = re.search(rf"^## {section}\n.*?^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert block
    commands = [line.removeprefix("$ ").split("#")[0].strip() for line in block[1].splitlines()]
    assert tuple(commands) == TYPED


def test_every_variable_of_the_files_is_explained() -> None:
    files = [*(ROOT / "deploy/compose").glob("*.yaml"), ROOT / "examples/docker-compose.yml"]
    used = {name for file in files for name in re.findall(r"\$\{([A-Z]\w+)", file.read_text())}
    page = (ROOT / "docs/DEPLOY.md").read_text()
    assert len(used) > 20
    assert not {name for name in used if f"`{name}`" not in page and f"{name}=" not in page}
