"""`skillbox run --detach`, and `exec wait` and `logs` for what goes on by itself."""

import json

import pytest

from skillbox.cli.errors import ExitCode
from tests.unit.cli.conftest import Cli
from tests.unit.sdk.fake_server import FakeServer, Reply, json_reply

ID = "0b6a2b0e-6a55-4b4e-9a4e-3a6cf2f5a001"


def execution(status: str, error: str | None = None) -> dict[str, object]:
    return {"execution_id": ID, "status": status, "duration_ms": 0, "error": error}


def test_a_run_is_detached(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/executions", json_reply(execution("queued"), 202))
    done = cli("run", "echo", "--detach", "--input", '{"n":1.10}', "--", "-x")
    assert (done.exit_code, done.stdout) == (0, f"{ID}\n")
    assert done.stderr == f"`skillbox exec wait {ID}` waits for its end.\n"
    assert server.last.headers["Prefer"] == "respond-async"
    assert b'"input":{"n":1.10}' in server.last.body
    assert server.last.json["args"] == ["-x"]
    done = cli("run", "echo", "--detach", "-o", "json")
    assert json.loads(done.stdout)["status"] == "queued"


@pytest.mark.parametrize("option", [["--download", "x"], ["--follow"]])
def test_what_needs_the_result_cannot_be_detached(cli: Cli, option: list[str]) -> None:
    done = cli("run", "echo", "--detach", *option)
    assert done.exit_code == ExitCode.USAGE
    assert "not together with --download or --follow" in done.stderr


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("success", None, ExitCode.SUCCESS),
        ("failed", "container exited with code 3", ExitCode.SKILL_FAILED),
        ("timeout", "execution timed out after 5s", ExitCode.SKILL_TIMED_OUT),
        ("cancelled", None, ExitCode.ERROR),
    ],
)
def test_waiting_ends_as_the_run_does(
    cli: Cli, server: FakeServer, status: str, error: str | None, code: ExitCode
) -> None:
    record = {**execution(status, error), "skill_name": "echo", "finished_at": "later"}
    server.on(f"GET /v1/executions/{ID}", record)
    done = cli("exec", "wait", ID)
    assert done.exit_code == code
    # The result alone, as of a run; `exec get` has the record.
    assert json.loads(done.stdout) == execution(status, error)
    assert done.stderr == ("" if not code else f"Error: {error or 'the run ended as cancelled'}\n")


def test_waiting_may_have_an_end(cli: Cli, server: FakeServer) -> None:
    server.on(f"GET /v1/executions/{ID}", execution("running"))
    done = cli("exec", "wait", ID, "--timeout", "10ms")
    assert (done.exit_code, done.stdout) == (ExitCode.ERROR, "")
    assert done.stderr.splitlines() == [
        f"Error: {ID} has not ended after 10ms",
        f"It goes on; `skillbox exec cancel {ID}` ends it.",
    ]
    assert cli("exec", "wait", ID, "--timeout", "soon").exit_code == ExitCode.USAGE


def test_logs_as_json(cli: Cli, server: FakeServer) -> None:
    server.on(f"GET /v1/executions/{ID}/logs", Reply(body="grün\n".encode()))
    done = cli("exec", "logs", ID, "-o", "json")
    assert json.loads(done.stdout) == {"execution_id": ID, "logs": "grün\n"}
    data = {"time": "2026-01-02T03:04:05Z", "stream": "stderr", "data": "a\n"}
    events = (
        "id: 1\nevent: queued\ndata: {}\n\n"
        f"id: 2\nevent: log\ndata: {json.dumps(data)}\n\n"
        "id: 3\nevent: finished\ndata: {}\n\n"
    )
    server.on(f"GET /v1/executions/{ID}/events", Reply(body=events.encode()))
    done = cli("exec", "logs", ID, "-f", "-o", "json")
    [line] = done.stdout.splitlines()
    assert json.loads(line) == data
