import json

import pytest

from skillbox.cli.errors import ExitCode
from tests.unit.cli.conftest import Cli
from tests.unit.sdk.fake_server import FakeServer, Reply, json_reply

RUN = {
    "execution_id": "e1",
    "status": "success",
    "duration_ms": 12,
    "error": None,
    "skill_name": "echo",
    "skill_version": "1.0.0",
    "tenant_id": "default",
    "created_at": "2026-01-02T03:04:05Z",
    "finished_at": "2026-01-02T03:04:06Z",
}
KEY = {
    "id": "k1",
    "tenant_id": "default",
    "name": "ci",
    "scopes": ["skills:read", "executions:run"],
    "prefix": "sk-abcd",
    "created_at": "2026-01-02T03:04:05Z",
}


def test_runs_are_listed(cli: Cli, server: FakeServer) -> None:
    running = {**RUN, "execution_id": "e2", "status": "running", "finished_at": None}
    server.on("GET /v1/executions", {"executions": [RUN, running]})
    head, first, second = cli("exec", "list").stdout.splitlines()
    assert head.split() == ["ID", "SKILL", "VERSION", "STATUS", "DURATION", "CREATED"]
    assert first.split() == ["e1", "echo", "1.0.0", "success", "12", "ms", RUN["created_at"]]
    assert second.split() == ["e2", "echo", "1.0.0", "running", RUN["created_at"]]
    assert server.last.path == "/v1/executions?page_size=20"
    done = cli("exec", "list", "-o", "json", "--skill", "echo", "--status", "success")
    assert [item["execution_id"] for item in json.loads(done.stdout)] == ["e1", "e2"]
    assert server.last.path == "/v1/executions?page_size=20&skill=echo&status=success"


def test_a_long_list_takes_several_pages(cli: Cli, server: FakeServer) -> None:
    pages = iter(
        [
            {"executions": [RUN] * 1000, "next_page_token": "t"},
            {"executions": [RUN] * 200, "next_page_token": "u"},
        ]
    )
    server.on("GET /v1/executions", lambda _: json_reply(next(pages)))
    done = cli("exec", "list", "-n", "1200", "-o", "json")
    assert len(json.loads(done.stdout)) == 1200
    assert [request.path.partition("?")[2] for request in server.requests] == [
        "page_size=1000",
        "page_size=200&page_token=t",
    ]


def test_a_run_is_shown(cli: Cli, server: FakeServer) -> None:
    record = json.dumps({**RUN, "input": {}, "output": "OUT", "sandbox": {"driver": "docker"}})
    body = record.replace('"OUT"', '{"big": 12345678901234567890}')
    server.on("GET /v1/executions/e1", Reply(body=body.encode()))
    done = cli("exec", "get", "e1")
    assert "12345678901234567890" in done.stdout
    assert "echo 1.0.0" in done.stdout
    shown = json.loads(cli("exec", "get", "e1", "-o", "json").stdout)
    assert shown["output"] == {"big": 12345678901234567890}
    assert shown["input"] == {}
    assert shown["error"] is None
    assert shown["sandbox"] == {"driver": "docker"}


def test_an_unknown_run(cli: Cli) -> None:
    assert cli("exec", "get", "e9").exit_code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("flags", [[], ["-f"]])
def test_logs_are_results(cli: Cli, server: FakeServer, flags: list[str]) -> None:
    pieces = [b"one\n", b"gr\xc3", b"\xbcn"]
    server.on("GET /v1/executions/e1/logs", Reply(body=pieces))
    done = cli("exec", "logs", *flags, "e1")
    assert (done.stdout, done.stderr) == ("one\ngrün", "")
    assert server.last.path.endswith("?follow=true") == bool(flags)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({**RUN, "status": "running", "finished_at": None}, "e1 is being cancelled\n"),
        (RUN, "e1 has ended: success\n"),
    ],
)
def test_cancel(cli: Cli, server: FakeServer, record: object, text: str) -> None:
    server.on("POST /v1/executions/e1:cancel", record)
    assert cli("exec", "cancel", "e1").stdout == text
    assert json.loads(cli("exec", "cancel", "e1", "-o", "json").stdout)["execution_id"] == "e1"


def test_a_key_is_created(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/api-keys", {"api_key": KEY, "secret": "sk-secret"})
    done = cli(
        *("apikey", "create", "--name", "ci", "--scope", "admin", "--scope", "skills:read"),
        *("--ttl", "1h30m"),
    )
    assert done.stdout == "sk-secret\n"
    assert "cannot be shown again" in done.stderr
    assert server.last.json == {
        "name": "ci",
        "scopes": ["admin", "skills:read"],
        "ttl": "5400.000000s",
    }
    shown = json.loads(cli("apikey", "create", "-o", "json").stdout)
    assert shown["secret"] == "sk-secret"
    assert shown["api_key"]["id"] == "k1"


@pytest.mark.parametrize("option", ["--ttl", "--grace"])
def test_a_bad_duration(cli: Cli, server: FakeServer, option: str) -> None:
    command = ["create"] if option == "--ttl" else ["rotate", "k1"]
    done = cli("apikey", *command, option, "soon")
    assert done.exit_code == ExitCode.USAGE
    assert f"Error: Invalid value for {option}: expected a duration" in done.stderr
    assert server.requests == []


def test_keys_are_listed(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/api-keys", {"api_keys": [KEY]})
    done = cli("apikey", "list")
    assert "k1" in done.stdout
    assert "sk-abcd…" in done.stdout
    assert json.loads(cli("apikey", "list", "-o", "json").stdout)[0]["revoked_at"] == ""


def test_a_key_is_revoked(cli: Cli, server: FakeServer) -> None:
    server.on("DELETE /v1/api-keys/k1", {"api_key": KEY})
    assert cli("apikey", "revoke", "k1").stdout == "Revoked k1\n"
    assert json.loads(cli("apikey", "revoke", "k1", "-o", "json").stdout)["id"] == "k1"


def test_a_key_is_rotated(cli: Cli, server: FakeServer) -> None:
    server.on("POST /v1/api-keys/k1:rotate", {"api_key": KEY, "secret": "sk-new"})
    assert cli("apikey", "rotate", "k1", "--grace", "24h").stdout == "sk-new\n"
    assert server.last.json == {"grace": "86400.000000s"}
