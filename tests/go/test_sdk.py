"""The SDK for Go: its own tests, also against a running stack, and its example."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.stack import Client, environment
from tests.go.gateway import Gateway
from tools.golang import ROOT, go

SDK = ROOT / "clients/go"
EXAMPLE = ROOT / "examples/go"
MODULES = [SDK, EXAMPLE]

# The first use of Go compiles its library.
pytestmark = pytest.mark.timeout(600)


def test_the_code_is_formatted() -> None:
    gofmt = Path(go("env", "GOROOT", cwd=ROOT).strip(), "bin/gofmt")
    folders = [*MODULES, ROOT / "deploy/gateway-go"]
    done = subprocess.run([gofmt, "-l", *folders], capture_output=True, text=True, check=True)
    assert done.stdout == ""


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.parent.name)
def test_vet_finds_nothing(module: Path) -> None:
    go("vet", ".", cwd=module)


def test_the_sdk_needs_the_standard_library_alone() -> None:
    assert go("list", "-m", "all", cwd=SDK).split() == [
        "github.com/skillbox-dev/skillbox/clients/go"
    ]
    files = go("list", "-f", "{{.GoFiles}}", cwd=SDK).strip()
    assert files == "[skillbox.go]"


def test_the_sdk_without_a_server() -> None:
    go("test", "-count=1", "-skip=^TestLive$", ".", cwd=SDK)


def test_the_sdk_against_the_stack(client: Client) -> None:
    run_live(client.env)


def test_the_sdk_against_the_gateway_in_go(client: Client, gateway: Gateway) -> None:
    run_live({**client.env, "SKILLBOX_SERVER_URL": gateway.url})


def run_live(env: dict[str, str]) -> None:
    said = go("test", "-count=1", "-run=^TestLive$", "-v", ".", cwd=SDK, env=env)
    assert "--- PASS: TestLive/run" in said
    assert "SKIP" not in said


def test_the_example(client: Client, tmp_path: Path) -> None:
    program = tmp_path / "example"
    go("build", "-o", program, ".", cwd=EXAMPLE)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "1", "2", "3", "4", "5"],
            env=environment(client.env),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    before = run()
    assert before.returncode == 1
    assert before.stderr.startswith("push the skill first: skillbox: 404 not_found")

    client.cli_ok("skill", "push", ROOT / "examples/skills/data-analysis")
    done = run()
    assert done.stdout.startswith("5 numbers, mean 3, in "), done.stderr
    assert (tmp_path / "files/report.md").is_file()
