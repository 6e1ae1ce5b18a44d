import json
import os
import subprocess
import sys
from pathlib import Path
from tarfile import TarInfo
from typing import Any

import pytest

from skillbox.cli.errors import ExitCode
from tests.unit.cli.conftest import Cli
from tests.unit.sdk.archives import HOSTILE, archive, entry
from tests.unit.sdk.fake_server import FakeServer, Reply, refusal

RUN = "POST /v1/executions"
RESULT: dict[str, Any] = {
    "execution_id": "e1",
    "status": "success",
    "duration_ms": 5,
    "error": None,
}


def test_the_result_is_printed_as_it_came(cli: Cli, server: FakeServer) -> None:
    output = '{"z":12345678901234567890,"a":[1.10,1e400],"e":{},"s":"\\ud800\\u00e9"}'
    body = '{"error":null,"output":%s,"logs":"hi\\n","status":"success","execution_id":"e1"}'
    server.on(RUN, Reply(body=body.replace("%s", output).encode()))
    done = cli("run", "echo")
    assert done.exit_code == 0
    assert done.stderr == ""
    assert done.stdout == (
        "{\n"
        '  "execution_id": "e1",\n'
        '  "status": "success",\n'
        '  "output": {\n'
        '    "z": 12345678901234567890,\n'
        '    "a": [\n'
        "      1.10,\n"
        "      1e400\n"
        "    ],\n"
        '    "e": {},\n'
        '    "s": "\\ud800\\u00e9"\n'
        "  },\n"
        '  "logs": "hi\\n",\n'
        '  "duration_ms": 0,\n'
        '  "error": null\n'
        "}\n"
    )


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        ("success", ExitCode.SUCCESS),
        ("failed", ExitCode.SKILL_FAILED),
        ("timeout", ExitCode.SKILL_TIMED_OUT),
        ("cancelled", ExitCode.ERROR),
    ],
)
def test_exit_codes(cli: Cli, server: FakeServer, status: str, exit_code: ExitCode) -> None:
    server.on(RUN, {**RESULT, "status": status})
    done = cli("run", "echo")
    assert done.exit_code == exit_code
    assert json.loads(done.stdout)["status"] == status
    expected = "" if status == "success" else f"Error: the run ended as {status}\n"
    assert done.stderr == expected


def test_a_failure_says_why(cli: Cli, server: FakeServer) -> None:
    server.on(RUN, {**RESULT, "status": "failed", "error": "container exited with code 2"})
    assert cli("run", "echo").stderr == "Error: container exited with code 2\n"


def test_an_unknown_skill(cli: Cli, server: FakeServer) -> None:
    server.on(RUN, refusal(404, "not_found", "skill not found: echo@latest"))
    done = cli("run", "echo")
    assert (done.exit_code, done.stdout) == (ExitCode.NOT_FOUND, "")
    assert done.stderr.startswith("Error: skill not found: echo@latest\n")


def test_everything_is_sent(cli: Cli, server: FakeServer) -> None:
    server.on(RUN, RESULT)
    cli(
        *("run", "echo", "--version", "1.0.0", "--env", "A=b=c", "-e", "EMPTY="),
        *("--entrypoint", "scripts/other.py", "--", "-x", "--input", "y"),
    )
    assert server.last.json == {
        "skill": "echo",
        "version": "1.0.0",
        "env": {"A": "b=c", "EMPTY": ""},
        "entrypoint": "scripts/other.py",
        "args": ["-x", "--input", "y"],
    }


INPUT = b'{ "big": 12345678901234567890, "f": 1.10 }'


def test_input_as_an_argument(cli: Cli, server: FakeServer) -> None:
    server.on(RUN, RESULT)
    assert cli("run", "echo", "--input", INPUT.decode()).exit_code == 0
    assert b'"input":' + INPUT in server.last.body


def test_input_from_a_file(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    server.on(RUN, RESULT)
    (tmp_path / "in.json").write_bytes(INPUT)
    assert cli("run", "echo", "--input", f"@{tmp_path}/in.json").exit_code == 0
    assert b'"input":' + INPUT in server.last.body


def test_input_from_stdin(cli: Cli, server: FakeServer) -> None:
    server.on(RUN, RESULT)
    assert cli("run", "echo", "--input", "-", input=INPUT).exit_code == 0
    assert b'"input":' + INPUT in server.last.body


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "expected JSON, @file or -: Expecting property name"),
        ("[1] 2", "expected JSON, @file or -: Extra data"),
        ("Infinity", "expected JSON, @file or -: Infinity is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        (" ", "expected JSON, @file or -: it is empty"),
        ("@/nowhere.json", "cannot read '/nowhere.json': No such file or directory"),
        ("@/", "cannot read '/': Is a directory"),
    ],
)
def test_bad_input(cli: Cli, server: FakeServer, value: str, message: str) -> None:
    done = cli("run", "echo", "--input", value)
    assert done.exit_code == ExitCode.USAGE
    assert f"Error: Invalid value for --input: {message}" in done.stderr.replace(
        "expected JSON, @file or -: nested", "nested"
    )
    assert server.requests == []


def test_bad_input_from_stdin(cli: Cli) -> None:
    done = cli("run", "echo", "--input", "-", input=b"\xff\xfe")
    assert done.exit_code == ExitCode.USAGE
    assert "Invalid value for --input" in done.stderr


@pytest.mark.parametrize(
    ("value", "message"),
    [("NAME", "expected NAME=VALUE, got 'NAME' without ="), ("=secret", "got an empty name")],
)
def test_bad_env(cli: Cli, server: FakeServer, value: str, message: str) -> None:
    done = cli("run", "echo", "--env", value)
    assert done.exit_code == ExitCode.USAGE
    assert message in done.stderr
    assert "secret" not in done.stderr
    assert server.requests == []


def test_a_file_without_its_sign(
    cli: Cli, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.json").write_text('{"n":1}')
    done = cli("run", "echo", "--input", "data.json")
    assert done.exit_code == ExitCode.USAGE
    assert "; to read the file, write @data.json" in done.stderr
    server.on(RUN, RESULT)
    cli("run", "echo", "--input", "@data.json")
    assert server.last.json["input"] == {"n": 1}


def test_files_are_downloaded(cli: Cli, server: FakeServer, tmp_path: Path) -> None:
    url = f"{server.url}/bucket/files.tar.gz"
    server.on(RUN, {**RESULT, "status": "failed", "files_url": url, "files_list": ["a.txt"]})
    server.on("GET /bucket/files.tar.gz", Reply(body=archive(entry("a.txt"))))
    done = cli("run", "echo", "--download", str(tmp_path / "out"))
    assert done.exit_code == ExitCode.SKILL_FAILED
    assert (tmp_path / "out" / "a.txt").read_text() == "hello"
    assert f"1 file in {tmp_path}/out\n" in done.stderr


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_not_written(
    cli: Cli, server: FakeServer, tmp_path: Path, hostile: TarInfo
) -> None:
    url = f"{server.url}/bucket/files.tar.gz"
    server.on(RUN, {**RESULT, "files_url": url, "files_list": [hostile.name]})
    server.on("GET /bucket/files.tar.gz", Reply(body=archive(entry("good.txt"), hostile)))
    done = cli("run", "echo", "--download", str(tmp_path / "out"))
    assert done.exit_code == ExitCode.ERROR
    assert json.loads(done.stdout)["status"] == "success"
    assert done.stderr.startswith(
        ("Error: path traversal detected in tar", "Error: neither a file nor a folder in tar")
    )
    assert list(tmp_path.iterdir()) == []


# In a process of its own: servers of other tests may be at work in this one, and import it.
WITHOUT_GRPC = """
import sys
sys.modules["grpc"] = None
from skillbox.cli.app import app
app()
"""


def test_following_without_grpc_shows_the_logs_at_the_end(server: FakeServer) -> None:
    server.on(RUN, {**RESULT, "logs": "one\ntwo"})
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_GRPC, "run", "echo", "--follow"],
        env={**os.environ, "SKILLBOX_SERVER_URL": server.url, "SKILLBOX_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        check=True,
    )
    notice, *logs = done.stderr.splitlines()
    assert 'pip install "skillbox[grpc]"' in notice
    assert logs == ["one", "two"]
    assert json.loads(done.stdout)["logs"] == "one\ntwo"
