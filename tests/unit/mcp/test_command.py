import sys

import pytest
from typer.testing import CliRunner

from skillbox.cli.app import app


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("skillbox.mcp"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    done = CliRunner().invoke(app, ["mcp"])
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: the MCP server is not installed")
    assert 'pip install "skillbox[mcp]"' in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--transport", "smoke"], ["--port", "70000"], ["-s", "not-a-url"]]
)
def test_bad_options(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["mcp", *arguments]).exit_code == 2
