"""Every example of the documentation runs, and prints what the page shows."""

import os
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from skillbox_common.error_catalogue import CATALOGUE
from tests.docs.interpreters import Python, run_go, shell
from tests.docs.pages import ROOT, Block, blocks, commands, matches
from tests.e2e.stack import API_KEY, SKILLBOX, Client

# The first use of Go compiles its library.
pytestmark = [pytest.mark.bubblewrap, pytest.mark.timeout(400)]

# The stack of the tests stands in for what these start and stop. Other tests run them.
STARTING = re.compile(r"^(make .*|skillbox (up|down)\b.*|export SKILLBOX_\w+=.*)$", re.MULTILINE)


def typed(block: Block, live: Client) -> str:
    """Returns the code for the stack of the tests instead of the reader's."""
    code = commands(block.code) if block.language == "console" else block.code
    code = code.replace("localhost:8080", urlsplit(live.url).netloc).replace("sk-…", API_KEY)
    return STARTING.sub("", code) if block.language in {"bash", "console"} else code


def scripted_model() -> object:
    """Returns what stands in for a chat model of LangChain."""
    path = ROOT / "examples/agent-integration/scripted_model.py"
    spec = spec_from_file_location("scripted_model", path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ScriptedModel()


@pytest.mark.parametrize("page", ["README.md", "docs/API.md"])
def test_page(page: str, live: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.joinpath("examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for name, value in {**live.env, "no_proxy": "*"}.items():
        monkeypatch.setenv(name, value)
    env = {**os.environ, "PATH": f"{SKILLBOX.parent}:{os.environ['PATH']}"}
    python = Python(model=scripted_model())
    with shell(tmp_path, env) as bash:
        for block in blocks(page):
            where = f"{page}:{block.line}"
            code = typed(block, live)
            try:
                if block.language == "python":
                    printed = python.run(code, where)
                elif block.language == "go":
                    printed = run_go(code, tmp_path / "go", env)
                else:
                    printed = bash.run(code)
            except Exception as error:
                raise AssertionError(f"{where} failed:\n{code}") from error
            if block.output is not None:
                assert matches(printed, block.output), f"{where} prints\n{printed}"


def test_the_first_page_shows_every_client() -> None:
    languages = {block.language for block in blocks("README.md")}
    assert languages == {"console", "go", "python"}
    page = (ROOT / "README.md").read_text()
    for way in ("curl ", "skillbox run ", "skillbox.langchain", "import grpc", "skillbox mcp"):
        assert way in page


def test_the_table_of_errors() -> None:
    page = (ROOT / "docs/API.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    shown = {
        reason: (int(status), code, grpc_code)
        for status, code, grpc_code, reasons in rows
        for reason in re.findall(r"`(\w+)`", reasons)
    }
    assert shown == {
        reason: (wire.http_status, wire.rest_code, wire.grpc_code.name)
        for reason, wire in CATALOGUE.items()
    }
