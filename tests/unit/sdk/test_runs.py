import json
from decimal import Decimal
from threading import Event as Flag

import pytest

from skillbox import APIError, Client, Event, Execution, RunResult
from tests.unit.sdk.fake_server import FakeServer, Reply

RUN = "POST /v1/executions"
ID = "0b6a2b0e-6a55-4b4e-9a4e-3a6cf2f5a001"


def test_a_run_sends_what_was_given(server: FakeServer, client: Client) -> None:
    server.on(RUN, {"execution_id": ID, "status": "success", "duration_ms": 5, "error": None})
    client.run(
        "echo",
        version="1.0.0",
        input={"n": 12345678901234567890, "s": 'q"'},
        env={"A": "b"},
        entrypoint="scripts/other.py",
        args=["-x", "y"],
    )
    assert server.last.json == {
        "skill": "echo",
        "version": "1.0.0",
        "input": {"n": 12345678901234567890, "s": 'q"'},
        "env": {"A": "b"},
        "entrypoint": "scripts/other.py",
        "args": ["-x", "y"],
    }
    assert server.last.headers["Content-Type"] == "application/json"


def test_what_was_not_given_is_left_out(server: FakeServer, client: Client) -> None:
    server.on(RUN, {"execution_id": ID, "status": "success", "duration_ms": 5, "error": None})
    client.run("echo")
    assert server.last.json == {"skill": "echo"}
    client.run("echo", input=[])
    assert server.last.json == {"skill": "echo", "input": []}


def test_input_text_is_passed_on_as_it_is(server: FakeServer, client: Client) -> None:
    server.on(RUN, {"execution_id": ID, "status": "success", "duration_ms": 5, "error": None})
    client.run("echo", input_json='{"z": 1.10, "a": 1e400}')
    assert b'"input":{"z": 1.10, "a": 1e400}' in server.last.body


@pytest.mark.parametrize("text", ["{", '1,"skill":"other"', "NaN", "[" * 100_000])
def test_input_text_must_be_json(server: FakeServer, client: Client, text: str) -> None:
    with pytest.raises(ValueError):
        client.run("echo", input_json=text)
    assert server.requests == []


def test_a_result_is_read_to_the_last_digit(server: FakeServer, client: Client) -> None:
    body = (
        '{ "execution_id" : "ID","status":"success","duration_ms":17,"error":null,'
        '"output": {"z":12345678901234567890,"a":1.10,"e":{}} ,"files_url":"http://x/f",'
        '"files_list":["a.txt"],"logs":"hello\\n","exit_code":0,"later":[1]}\n'
    )
    server.on(RUN, Reply(body=body.replace("ID", ID).encode()))
    result = client.run("echo")
    assert result == RunResult(
        execution_id=ID,
        status="success",
        output={"z": 12345678901234567890, "a": 1.1, "e": {}},
        files_url="http://x/f",
        files_list=["a.txt"],
        logs="hello\n",
        duration_ms=17,
        error="",
        exit_code=0,
        output_json='{"z":12345678901234567890,"a":1.10,"e":{}}',
    )
    assert result.has_files


def test_what_is_left_out_of_a_result_is_empty(server: FakeServer, client: Client) -> None:
    server.on(RUN, {"execution_id": ID, "status": "failed", "duration_ms": 0, "error": "boom"})
    result = client.run("echo")
    assert result.output is None
    assert (result.output_json, result.files_url, result.logs) == ("", "", "")
    assert (result.error, result.files_list, result.has_files) == ("boom", [], False)


def test_an_output_of_null_is_none(server: FakeServer, client: Client) -> None:
    server.on(RUN, Reply(body=b'{"execution_id":"a","status":"success","output":null}'))
    assert client.run("echo").output is None


def test_integers_that_python_does_not_read_keep_their_digits(
    server: FakeServer, client: Client
) -> None:
    digits = "7" * 5000
    body = f'{{"status":"success","output":{{"n":{digits},"m":-{digits},"small":1}}}}'
    server.on(RUN, Reply(body=body.encode()))
    result = client.run("echo")
    assert result.output == {"n": Decimal(digits), "m": Decimal(f"-{digits}"), "small": 1}
    assert type(result.output["small"]) is int
    assert result.output_json == f'{{"n":{digits},"m":-{digits},"small":1}}'


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"a":', b'{"a" 1}', b'{"a":1', b"{1:2}", b"\xff"]
)
def test_a_reply_that_is_no_json_object_is_told(
    server: FakeServer, client: Client, body: bytes
) -> None:
    server.on(RUN, Reply(body=body))
    with pytest.raises(APIError, match="is this a Skillbox server") as caught:
        client.run("echo")
    assert caught.value.status_code == 0


def test_an_execution_has_everything(server: FakeServer, client: Client) -> None:
    record = {
        "execution_id": ID,
        "status": "running",
        "duration_ms": 0,
        "error": None,
        "skill_name": "echo",
        "skill_version": "1.0.0",
        "tenant_id": "default",
        "input": {"big": 2**70},
        "created_at": "2026-01-02T03:04:05Z",
        "sandbox": {"driver": "docker"},
    }
    server.on(f"GET /v1/executions/{ID}", record)
    execution = client.get_execution(ID)
    assert isinstance(execution, Execution)
    assert isinstance(execution, RunResult)
    assert execution.skill_version == "1.0.0"
    assert execution.input == {"big": 2**70}
    assert json.loads(execution.input_json) == {"big": 2**70}
    assert execution.sandbox == {"driver": "docker"}
    assert execution.finished_at == ""


def test_ids_cannot_reach_other_paths(server: FakeServer, client: Client) -> None:
    with pytest.raises(APIError):
        client.get_execution("../skills?x=1")
    assert server.last.path == "/v1/executions/..%2Fskills%3Fx%3D1"


def test_a_page_of_executions(server: FakeServer, client: Client) -> None:
    item = {"execution_id": ID, "status": "failed", "duration_ms": 3, "error": "x"}
    server.on("GET /v1/executions", {"executions": [item], "next_page_token": "t&2"})
    page = client.list_executions(skill="echo", status="failed", page_size=1)
    assert server.last.path == "/v1/executions?page_size=1&skill=echo&status=failed"
    assert [execution.execution_id for execution in page.executions] == [ID]
    client.list_executions(page_token=page.next_page_token)
    assert server.last.path == "/v1/executions?page_size=50&page_token=t%262"


def test_cancel(server: FakeServer, client: Client) -> None:
    server.on(f"POST /v1/executions/{ID}:cancel", {"execution_id": ID, "status": "running"})
    assert client.cancel(ID).status == "running"


def test_logs(server: FakeServer, client: Client) -> None:
    server.on(f"GET /v1/executions/{ID}/logs", Reply(body="grüße\n".encode()))
    assert client.get_execution_logs(ID) == "grüße\n"


def test_logs_are_followed_while_they_are_printed(server: FakeServer, client: Client) -> None:
    seen = Flag()

    def pieces() -> object:
        yield b"first\ngr\xc3"
        assert seen.wait(5), "the first piece was held back"
        yield b"\xbcn\n"

    server.on(f"GET /v1/executions/{ID}/logs", Reply(body=pieces()))  # type: ignore[arg-type]
    logs = client.follow_logs(ID)
    assert next(logs) == "first\ngr"
    seen.set()
    assert list(logs) == ["ün\n"]
    assert server.last.path.endswith("/logs?follow=true")


def test_events_are_streamed_up_to_the_last(server: FakeServer, client: Client) -> None:
    pieces = [
        b'id: 3\nevent: log\ndata: {"stream":"stdout","da',
        b'ta":"hi"}\n\n: still there\n\nid: 4\r\nevent: finished\r\n',
        b'data: {"status":\r\ndata: "success"}\r\n\r\n',
        b"id: 5\nevent: never\ndata: {}\n\n",
    ]
    server.on(f"GET /v1/executions/{ID}/events", Reply(body=pieces))
    assert list(client.stream(ID, after_seq=2)) == [
        Event(3, "log", {"stream": "stdout", "data": "hi"}),
        Event(4, "finished", {"status": "success"}),
    ]
    assert server.last.path.endswith("/events?after_seq=2")


@pytest.mark.parametrize("cut", [True, False])
def test_an_event_stream_that_ends_early_is_told(
    server: FakeServer, client: Client, cut: bool
) -> None:
    pieces = [b"id: 1\nevent: queued\ndata: {}\n\n"]
    server.on(f"GET /v1/executions/{ID}/events", Reply(body=pieces, cut=cut))
    events = client.stream(ID)
    assert next(events).seq == 1
    with pytest.raises(APIError) as caught:
        next(events)
    assert caught.value.status_code == 0
