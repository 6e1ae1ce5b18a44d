import json
import subprocess
import sys
from pathlib import Path

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
    "arguments",
    [["--transport", "smoke"], ["--port", "70000"], ["-s", "not-a-url"], ["-o", "json"]],
)
def test_bad_options(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["mcp", *arguments]).exit_code == 2


def test_json_over_stdio_is_what_mcp_speaks_anyway() -> None:
    done = CliRunner().invoke(app, ["mcp", "-o", "json"])
    assert done.exit_code == 2
    assert "Invalid value for --output: over stdio stdout belongs to MCP" in done.stderr


def test_json_over_http_says_where() -> None:
    command: list[str | Path] = [
        Path(sys.executable).with_name("skillbox"),
        "mcp",
        "--transport",
        "http",
    ]
    with subprocess.Popen(
        [*command, "--port", "0", "-s", "http://127.0.0.1:9", "-k", "sk-x", "-o", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
        finally:
            process.terminate()
    assert said["url"].startswith("http://127.0.0.1:")
