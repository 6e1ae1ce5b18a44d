"""Runs that are started now and waited for later, against a server with a script."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from skillbox import APIError, Client, Execution
from tests.unit.sdk.fake_server import FakeServer, Reply, Request, json_reply

RUN = "POST /v1/executions"
ID = "0b6a2b0e-6a55-4b4e-9a4e-3a6cf2f5a001"
GET = f"GET /v1/executions/{ID}"


def execution(status: str, **members: object) -> dict[str, object]:
    return {"execution_id": ID, "status": status, "duration_ms": 0, "error": None, **members}


def states(*names: str) -> Iterator[Reply]:
    return (json_reply(execution(name)) for name in names)


def test_a_run_is_started(server: FakeServer, client: Client) -> None:
    reply = execution("queued", skill_name="echo", skill_version="1.0.0", input={"n": 1})
    server.on(RUN, json_reply(reply, 202))
    started = client.start("echo", input={"n": 1}, env={"A": "b"})
    assert isinstance(started, Execution)
    assert (started.execution_id, started.status) == (ID, "queued")
    assert (started.skill_version, started.input_json) == ("1.0.0", '{"n": 1}')
    assert server.last.headers["Prefer"] == "respond-async"
    assert server.last.json == {"skill": "echo", "input": {"n": 1}, "env": {"A": "b"}}


def test_a_run_that_is_waited_for_asks_for_no_haste(server: FakeServer, client: Client) -> None:
    server.on(RUN, execution("success"))
    client.run("echo")
    assert "Prefer" not in server.last.headers


def test_waiting_lasts_until_the_end(server: FakeServer, client: Client) -> None:
    replies = states("queued", "running", "failed", "success")
    server.on(GET, lambda _: next(replies))
    assert client.wait(ID).status == "failed"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("call_timeout", "wait_timeout", "expected"),
    [(None, None, 30), (10, None, 5), (None, 2, 2), (100, 2, 2), (None, 0, 0)],
)
def test_the_server_holds_its_reply_back(
    server: FakeServer, call_timeout: float | None, wait_timeout: float | None, expected: float
) -> None:
    server.on(GET, execution("success"))
    with Client(server.url, timeout=call_timeout) as client:
        client.wait(ID, wait_timeout)
    [value] = parse_qs(urlsplit(server.last.path).query)["wait"]
    assert value.endswith("s")
    assert float(value[:-1]) == pytest.approx(expected, abs=0.2)


def test_waiting_may_have_an_end(server: FakeServer, client: Client) -> None:
    def slow(_: Request) -> Reply:
        return json_reply(execution("running"))

    server.on(GET, slow)
    with pytest.raises(TimeoutError, match=f"execution {ID} has not ended in time"):
        client.wait(ID, timeout=1)
    assert 1 < len(server.requests) <= 21


def test_a_key_that_was_used_for_another_run(server: FakeServer, client: Client) -> None:
    refusal = {"error": "idempotency_key_reused", "message": "another run"}
    server.on(RUN, json_reply(refusal, 422))
    with pytest.raises(APIError) as caught:
        client.start("echo", idempotency_key="k")
    assert (caught.value.status_code, caught.value.error_code) == (422, "idempotency_key_reused")
    assert len(server.requests) == 1
