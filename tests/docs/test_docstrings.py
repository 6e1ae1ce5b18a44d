"""The examples in the docstrings of the clients run, against the live stack."""

import doctest
import os
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

import skillbox.aio
import skillbox.client
import skillbox.mentions
from skillbox_registry.pack import pack
from tests.docs.pages import ROOT
from tests.e2e.stack import API_KEY, Client

pytestmark = pytest.mark.bubblewrap

SKILL = ROOT / "examples/skills/data-analysis"
MODULES = [skillbox.client, skillbox.aio, skillbox.mentions]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples(
    module: ModuleType, live: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with skillbox.Client(live.url, API_KEY, timeout=60) as client:
        names = {**vars(module), **scene(client), "client": client}
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        tests = [
            test for test in doctest.DocTestFinder().find(module, globs=names) if test.examples
        ]
        assert tests
        for test in tests:
            for example in test.examples:
                source = example.source.replace("http://localhost:8080", live.url)
                example.source = source.replace("sk-…", API_KEY)
            printed: list[str] = []
            runner.run(test, out=printed.append)
            assert not printed, "".join(printed)


def scene(client: skillbox.Client) -> dict[str, object]:
    """Makes what the examples take for granted; returns the names that they use."""
    for version in ("1.0.0", "0.9.0"):
        archive = Path(f"data-analysis-{version}.zip")
        folder = Path(version)
        folder.joinpath("scripts").mkdir(parents=True)
        for path in ("SKILL.md", "scripts/main.py"):
            text = SKILL.joinpath(path).read_text().replace('"1.0.0"', f'"{version}"')
            folder.joinpath(path).write_text(text)
        with archive.open("wb") as file:
            pack(folder, file)
        client.register_skill(archive)
    result = client.run("data-analysis", input={"data": [1, 2, 6]})
    return {"result": result, "os": os, "timedelta": timedelta}


def test_each_method_shows_how() -> None:
    for name, method in vars(skillbox.Client).items():
        if not name.startswith("_") and name != "close":
            assert ">>> " in (method.__doc__ or ""), name
