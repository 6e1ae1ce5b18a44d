import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import skillbox
from skillbox.cli.app import app, global_options_first
from skillbox.cli.errors import ExitCode
from tests.support.parts import free_port
from tests.unit.cli.conftest import Cli
from tests.unit.sdk.fake_server import FakeServer, Reply, refusal


def test_health(cli: Cli, server: FakeServer) -> None:
    server.on("GET /health", {"status": "ok"})
    done = cli("health")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "Server is healthy\n", "")
    assert json.loads(cli("health", "-o", "json").stdout) == {"status": "ok"}


def test_version(cli: Cli) -> None:
    assert cli("version").stdout == f"skillbox {skillbox.__version__}\n"
    assert json.loads(cli("-o", "json", "version").stdout) == {"version": skillbox.__version__}


def test_no_command_shows_help(cli: Cli) -> None:
    done = cli()
    assert done.exit_code == ExitCode.USAGE
    for command in ("run", "skill", "exec", "apikey", "health", "version", "up", "down", "status"):
        assert f"\n  {command} " in done.output


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "hint"),
    [
        (400, "bad_request", 1, ""),
        (400, "invalid_skill", 1, "skillbox skill lint"),
        (401, "unauthorized", 5, "SKILLBOX_API_KEY"),
        (403, "forbidden", 5, "skillbox apikey list"),
        (404, "not_found", 6, "skillbox skill list"),
        (409, "already_exists", 1, "raise the version"),
        (413, "too_large", 1, ""),
        (429, "resource_exhausted", 7, "try again in a moment"),
        (500, "internal_error", 1, "log"),
        (503, "service_unavailable", 1, "try again in a moment"),
    ],
)
def test_refusals(
    cli: Cli, server: FakeServer, status: int, code: str, exit_code: int, hint: str
) -> None:
    server.on("GET /v1/skills", refusal(status, code, "the reason"))
    done = cli("skill", "list")
    assert done.exit_code == exit_code
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first == "Error: the reason"
    assert hint in " ".join(rest)
    assert bool(rest) == bool(hint)


def test_a_refusal_without_words(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/skills", Reply(502))
    error, hint = cli("skill", "list").stderr.splitlines()
    assert error == f"Error: server {server.url} replied 502"
    assert hint.startswith("That is no reply of Skillbox: ")


def test_no_server() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = CliRunner().invoke(app, ["health", "-s", url])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: server {url}: ")
    assert "Connection refused" in done.stderr
    assert "skillbox up" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nonsense"], "Error: No such command 'nonsense'"),
        (["run"], "Error: Missing argument 'skill'"),
        (["skill", "delete", "a"], "Error: Missing argument 'version'"),
        (["version", "-o", "xml"], "Error: Invalid value for '--output'"),
        (["skill", "list", "-o"], "Error: Option '-o' requires an argument"),
        (["health", "-s", "nowhere"], "Error: Invalid value for --server: 'nowhere' is not valid"),
        (["health", "-t", "a\nb"], "Error: Invalid value for --tenant: expected printable ASCII"),
        (["exec", "list", "--limit", "0"], "Error: Invalid value for '--limit'"),
    ],
)
def test_usage_errors(cli: Cli, args: list[str], message: str) -> None:
    done = cli(*args)
    assert done.exit_code == ExitCode.USAGE
    assert done.stdout == ""
    assert message.lower() in done.stderr.lower()


def test_global_options_stand_anywhere(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/skills", [])
    done = cli("skill", "list", "--api-key=sk-other", "-t", "acme", "--output", "json")
    assert done.stdout == "[]\n"
    assert server.last.headers["Authorization"] == "Bearer sk-other"
    assert server.last.headers["X-Tenant-ID"] == "acme"


def test_options_behind_two_dashes_belong_to_the_script() -> None:
    args = ["run", "x", "-o", "json", "--", "-o", "y", "--server=z"]
    assert global_options_first(args) == ["-o", "json", "run", "x", "--", "-o", "y", "--server=z"]


def test_the_environment_gives_defaults(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/skills", [])
    cli("skill", "list", SKILLBOX_TENANT_ID="acme")
    assert server.last.headers["Authorization"] == "Bearer sk-test"
    assert server.last.headers["X-Tenant-ID"] == "acme"


def test_a_file_that_cannot_be_written_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "skill").mkdir()
    (tmp_path / "skill" / "SKILL.md").write_text("---\nname: a\ndescription: b\n---\n")
    done = cli("skill", "package", str(tmp_path / "skill"), "--to", str(tmp_path / "file" / "x"))
    assert done.exit_code == 1
    assert done.stderr == f"Error: {tmp_path}/file/x: Not a directory\n"


def test_without_its_packages_the_command_says_what_to_install() -> None:
    program = "import sys; sys.modules['typer'] = None; from skillbox.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert 'pip install "skillbox[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_works_without_grpc() -> None:
    program = (
        "import sys; sys.modules['grpc'] = None; sys.argv = ['skillbox', 'version'];"
        "from skillbox.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == f"skillbox {skillbox.__version__}\n", done.stderr
