"""The built wheel in clean environments, the bare one also against the live stack."""

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from skillbox_registry.pack import pack
from tests.e2e.stack import API_KEY, Client
from tests.examples import wheels
from tests.examples.running import EXAMPLES, SKILLS

BARE_CLIENT = Path(__file__).with_name("bare_client.py")
PROBE = """
import json, sys, time
before = set(sys.modules)
start = time.process_time()
import skillbox
seconds = time.process_time() - start
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps([seconds, sorted(new - set(sys.stdlib_module_names)), skillbox.__file__]))
"""
STUBS = """
import importlib, pathlib, skillbox
root = pathlib.Path(skillbox.__file__).parents[1]
for file in root.glob("skillbox/*/v1/*_pb2*.py"):
    name = ".".join(file.relative_to(root).with_suffix("").parts)
    importlib.import_module(name)
    print(name)
import skillbox.aio
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the bare install."""
    return wheels.install(wheel, tmp_path_factory.mktemp("bare"))


def run(*command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=env, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )


def output(*command: str | Path, **env: str) -> str:
    done = run(*command, **env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_bare_install_is_the_sdk_alone(bare: Path) -> None:
    runs = [json.loads(output(bare / "python", "-I", "-c", PROBE)) for _ in range(5)]
    _, foreign, file = runs[0]
    assert foreign == ["skillbox"]
    assert Path(file).is_relative_to(bare.parent)
    # Of the processor, since the machine may be busy; the first one may compile.
    assert min(seconds for seconds, _, _ in runs) < 0.15


def test_its_types_come_along(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "skillbox/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["skill", "list"]])
def test_its_command_line_says_what_to_install(bare: Path, arguments: list[str]) -> None:
    done = run(bare / "skillbox", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert 'pip install "skillbox[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_stubs_need_the_extra_grpc_alone(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    grpc = wheels.install(wheel, tmp_path_factory.mktemp("grpc"), "grpc")
    imported = output(grpc / "python", "-I", "-c", STUBS).split()
    assert "skillbox.executor.v1.execution_service_pb2_grpc" in imported
    assert len(imported) > 20
    assert "typer" in run(grpc / "skillbox", "--help").stderr


def test_the_bare_install_against_the_stack(live: Client, bare: Path, tmp_path: Path) -> None:
    archive = tmp_path / "data-analysis.zip"
    with archive.open("wb") as file:
        pack(EXAMPLES / "skills/data-analysis", file)
    env = {"SKILLBOX_API_KEY": API_KEY, "no_proxy": "*"}
    said: dict[str, Any] = json.loads(
        output(bare / "python", "-I", BARE_CLIENT, live.url, archive, tmp_path / "out", **env)
    )
    assert {skill.name for skill in SKILLS} <= set(said["listed"])
    assert said["pushed"] == ["data-analysis", "1.0.0", "python"]
    assert said["ran"] == ["success", 3.0]
    assert said["events"][:2] == ["queued", "started"]
    assert said["events"][-1] == "finished"
    assert "log" in said["events"]
    assert said["downloaded"] == ["report.md"]
    assert said["deleted"] == [404, "not_found"]
    assert said["errors"] == {
        "no key": [401, "unauthorized"],
        "another key": [401, "unauthorized"],
        "another tenant": [403, "forbidden"],
        "no such skill": [404, "not_found"],
        "no such execution": [404, "not_found"],
        "no skill named": [400, "bad_request"],
        "no archive": [400, "invalid_skill"],
        "too large": [413, "too_large"],
        "nobody there": [0, ""],
        "no such file": "FileNotFoundError",
        "no JSON": "ValueError",
    }
