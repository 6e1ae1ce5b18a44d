import io
import json
import os
import subprocess
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

from skillbox.cli.errors import ExitCode
from tests.unit.cli.conftest import Cli
from tests.unit.examples.running import SKILLS
from tests.unit.sdk.fake_server import FakeServer, Reply

SUMMARY = {"name": "echo", "version": "1.0.0", "description": "Echoes.", "lang": "python"}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def uploaded(server: FakeServer) -> zipfile.ZipFile:
    request = server.last
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    _, part = BytesParser().parsebytes(head + request.body).walk()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return zipfile.ZipFile(io.BytesIO(content))


@pytest.mark.parametrize(
    ("lang", "program"), [("python", "python3"), ("node", "node"), ("bash", "bash")]
)
def test_a_new_skill_runs_and_passes(cli: Cli, tmp_path: Path, lang: str, program: str) -> None:
    done = cli("skill", "init", "hello", "--lang", lang)
    assert (done.exit_code, done.stdout) == (0, "Made hello\n")
    assert "skillbox skill push hello" in done.stderr
    done = cli("skill", "lint", "hello")
    assert done.exit_code == 0, done.output
    [script] = Path("hello/scripts").iterdir()
    Path("input.json").write_text('{"name": "Ada"}')
    env = {
        "PATH": os.environ["PATH"],
        "SANDBOX_INPUT_FILE": "input.json",
        "SANDBOX_OUTPUT": "output.json",
    }
    printed = subprocess.check_output([program, script], env=env, text=True, timeout=30)
    assert printed == "Greeting Ada\n"
    assert json.loads(Path("output.json").read_text()) == {"greeting": "Hello, Ada!"}


@pytest.mark.parametrize("name", ["true", "1.0", "0x10"])
def test_a_name_is_text_whatever_yaml_thinks(cli: Cli, name: str) -> None:
    cli("skill", "init", name)
    assert cli("skill", "lint", name).exit_code == 0


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a b", "ä", "a" * 129])
def test_a_bad_name_is_refused(cli: Cli, tmp_path: Path, name: str) -> None:
    done = cli("skill", "init", "--", name)
    assert done.exit_code == ExitCode.USAGE
    assert "Error: Invalid value for NAME" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(cli: Cli) -> None:
    Path("hello").mkdir()
    done = cli("skill", "init", "hello")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (1, "Error: hello exists already")


def test_lint_prints_each_check(cli: Cli) -> None:
    Path("SKILL.md").write_text("---\nname: a b\nversion: 1.0\ndescription: x\n---\n")
    done = cli("skill", "lint")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert "PASS archive" in lines
    assert any(line.startswith("FAIL name: SKILL.md:2: ") for line in lines)
    assert any(line.startswith("FAIL version: SKILL.md:3: ") for line in lines)
    assert done.stderr == f"Error: 2 of {len(lines)} checks failed\n"


def test_lint_says_in_which_folder_and_archive(cli: Cli) -> None:
    text = "---\nname: hello\ndescription: x\ntimeout: soon\n---\n"
    Path("hello").mkdir()
    Path("hello/SKILL.md").write_text(text)
    assert "\nFAIL timeout: hello/SKILL.md:4: " in cli("skill", "lint", "hello").stdout
    with zipfile.ZipFile("hello.zip", "w") as archive:
        archive.writestr("SKILL.md", text)
    assert "\nFAIL timeout: SKILL.md:4: " in cli("skill", "lint", "hello.zip").stdout


def test_lint_accepts_plain_agent_skills(cli: Cli) -> None:
    Path("Plain").mkdir()
    Path("Plain/SKILL.md").write_text(
        f"---\nname: Plain\ndescription: {'x' * 1100}\nlicense: MIT\nallowed-tools: [Bash]\n---\n"
    )
    done = cli("skill", "lint", "Plain")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "\nWARN name: Plain/SKILL.md:2: " in done.stdout
    assert "\nWARN description: Plain/SKILL.md:3: " in done.stdout
    assert "FAIL" not in done.stdout


def test_lint_as_json(cli: Cli) -> None:
    done = cli("skill", "lint", str(SKILLS / "data-analysis"), "-o", "json")
    assert {"name": "archive", "passed": True, "message": "", "line": None} in json.loads(
        done.stdout
    )


@pytest.mark.parametrize("command", ["lint", "push"])
def test_a_path_that_is_not_there(cli: Cli, command: str) -> None:
    done = cli("skill", command, "nothing")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: nothing does not exist\n")


def test_package_gives_the_same_bytes(cli: Cli) -> None:
    cli("skill", "init", "hello")
    done = cli("skill", "package", "hello")
    assert done.stdout == "hello-0.1.0.zip\n"
    first = Path("hello-0.1.0.zip").read_bytes()
    os.utime("hello/SKILL.md", (0, 0))
    Path("hello/__pycache__").mkdir()
    Path("hello/__pycache__/main.pyc").touch()
    done = cli("skill", "package", "hello", "--to", "new/folder", "-o", "json")
    assert json.loads(done.stdout) == {
        "path": "new/folder/hello-0.1.0.zip",
        "name": "hello",
        "version": "0.1.0",
    }
    assert Path("new/folder/hello-0.1.0.zip").read_bytes() == first


def test_package_does_not_pack_its_own_archive(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("skill", "init", "hello")
    monkeypatch.chdir("hello")
    done = cli("skill", "package", ".")
    assert done.exit_code == 1
    assert "--to" in done.stderr
    assert cli("skill", "package", ".", "--to", "..").exit_code == 0


def test_package_refuses_what_the_server_would(cli: Cli) -> None:
    Path("bad").mkdir()
    Path("bad/SKILL.md").write_text("no front matter")
    done = cli("skill", "package", "bad")
    assert done.exit_code == 1
    assert "SKILL.md" in done.stderr
    assert not list(Path().glob("*.zip"))


@pytest.mark.parametrize("command", ["push", "package"])
def test_a_folder_that_is_no_skill_is_not_sent(cli: Cli, server: FakeServer, command: str) -> None:
    Path("home").mkdir()
    Path("home/secrets.txt").touch()
    done = cli("skill", command, "home")
    assert done.stderr.startswith("Error: home is not a skill: it has no SKILL.md\n")
    assert server.requests == []


def test_a_folder_is_pushed(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/skills", Reply(201, json.dumps(SUMMARY).encode()))
    done = cli("skill", "push", str(SKILLS / "system-report"))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "Pushed echo 1.0.0\n", "")
    assert uploaded(server).namelist() == ["SKILL.md", "scripts/main.sh"]
    assert server.last.headers["Authorization"] == "Bearer sk-test"


def test_an_archive_is_pushed_as_it_is(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/skills", Reply(201, json.dumps(SUMMARY).encode()))
    Path("some.zip").write_bytes(b"no zip at all, says the server")
    done = cli("skill", "push", "some.zip", "-o", "json")
    assert json.loads(done.stdout) == SUMMARY
    assert b"no zip at all" in server.last.body


def test_skills_are_listed_whole(cli: Cli, server: FakeServer) -> None:
    long = {**SUMMARY, "description": "word " * 100 + "[bold]end"}
    server.on("GET /v1/skills", [SUMMARY, long])
    done = cli("skill", "list")
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["NAME", "VERSION", "LANG", "DESCRIPTION"]
    assert first.split() == ["echo", "1.0.0", "python", "Echoes."]
    assert second.endswith("[bold]end")
    assert json.loads(cli("skill", "list", "-o", "json").stdout) == [SUMMARY, long]


def test_a_skill_is_shown(cli: Cli, server: FakeServer) -> None:
    detail = {**SUMMARY, "instructions": "# Echo\n\nSays it again.", "resources": {"cpu": "0.5"}}
    server.on("GET /v1/skills/echo/latest", detail)
    server.on("GET /v1/skills/echo/1.0.0", detail)
    done = cli("skill", "show", "echo")
    assert done.stdout.endswith("\n\n# Echo\n\nSays it again.\n")
    assert "Image" not in done.stdout
    assert "Dependencies" not in done.stdout
    failed = {"dependencies": {"status": "failed", "error": "no such package"}}
    server.on("GET /v1/skills/echo/2.0.0", {**detail, **failed})
    done = cli("skill", "show", "echo", "--version", "2.0.0")
    assert "Dependencies  failed: no such package\n" in done.stdout
    shown = json.loads(cli("skill", "show", "echo", "--version", "1.0.0", "-o", "json").stdout)
    assert shown["resources"] == {"cpu": "0.5"}


def test_the_files_of_a_skill_are_shown(cli: Cli, server: FakeServer) -> None:
    files = [{"path": "SKILL.md", "size_bytes": 12}, {"path": "run.sh", "executable": True}]
    server.on("GET /v1/skills/echo/latest/files", {"files": files})
    server.on("GET /v1/skills/echo/1.0.0/files", {})
    head, first, second = cli("skill", "show", "echo", "--files").stdout.splitlines()
    assert head.split() == ["PATH", "SIZE", "EXECUTABLE"]
    assert first.split() == ["SKILL.md", "12"]
    assert second.split() == ["run.sh", "0", "yes"]
    done = cli("skill", "show", "echo", "--version", "1.0.0", "--files", "-o", "json")
    assert json.loads(done.stdout) == []


def test_an_archive_is_downloaded(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/skills/echo/latest", {**SUMMARY, "version": "2.0.0"})
    server.on("GET /v1/skills/echo/2.0.0/archive", Reply(body=b"two"))
    server.on("GET /v1/skills/echo/1.0.0/archive", Reply(body=b"one"))
    assert cli("skill", "download", "echo").stdout == "echo-2.0.0.zip\n"
    assert Path("echo-2.0.0.zip").read_bytes() == b"two"
    Path("folder").mkdir()
    done = cli("skill", "download", "echo", "--version", "1.0.0", "--to", "folder", "-o", "json")
    assert json.loads(done.stdout) == {
        "path": "folder/echo-1.0.0.zip",
        "name": "echo",
        "version": "1.0.0",
    }
    assert cli("skill", "download", "echo", "--to", "here.zip").stdout == "here.zip\n"
    assert Path("here.zip").read_bytes() == b"two"


def test_a_download_that_fails_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    done = cli("skill", "download", "echo", "--version", "1.0.0")
    assert done.exit_code == ExitCode.NOT_FOUND
    assert list(tmp_path.iterdir()) == []


def test_a_server_does_not_choose_the_folder(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/skills/echo/latest", {**SUMMARY, "version": "/../../x"})
    server.on("GET /v1/skills/echo/%2F..%2F..%2Fx/archive", Reply(body=b"zip"))
    assert cli("skill", "download", "echo").stdout == "x.zip\n"


def test_a_version_is_deleted(cli: Cli, server: FakeServer) -> None:
    server.on("DELETE /v1/skills/echo/1.0.0", Reply(204))
    assert cli("skill", "delete", "echo", "1.0.0").stdout == "Deleted echo 1.0.0\n"
    assert cli("skill", "delete", "echo", "2.0.0").exit_code == ExitCode.NOT_FOUND
