"""What is repeated, how often and after which time."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from skillbox import APIError, Client
from tests.unit.sdk.fake_server import FakeServer, Reply, Request, json_reply

BUSY = Reply(429, b'{"error":"resource_exhausted","message":"full"}', {"Retry-After": "1"})
DOWN = Reply(503, b'{"error":"service_unavailable","message":"down"}')


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    # The longest that jitter makes of a delay.
    monkeypatch.setattr("random.uniform", lambda _, longest: longest)
    return waits


def replies(*answers: Reply) -> Callable[[Request], Reply]:
    """Returns one answer after the other, the last one again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize("busy", [BUSY, DOWN])
def test_reading_is_repeated(
    server: FakeServer, client: Client, slept: list[float], busy: Reply
) -> None:
    server.on("GET /v1/skills", replies(busy, busy, json_reply([])))
    assert client.list_skills() == []
    assert len(server.requests) == 3
    assert slept == ([1.25, 1.25] if busy is BUSY else [0.3125, 0.625])


def test_deleting_is_repeated(server: FakeServer, client: Client) -> None:
    server.on("DELETE /v1/skills/a/1.0.0", replies(DOWN, Reply(204)))
    client.delete_skill("a", "1.0.0")
    assert len(server.requests) == 2


def test_following_logs_is_repeated(server: FakeServer, client: Client) -> None:
    server.on("GET /v1/executions/e1/logs", replies(BUSY, Reply(body=b"done\n")))
    assert "".join(client.follow_logs("e1")) == "done\n"


def keys(server: FakeServer) -> list[str | None]:
    return [request.headers["Idempotency-Key"] for request in server.requests]


@pytest.mark.parametrize("busy", [BUSY, DOWN, Reply(429)])
def test_a_start_is_repeated_with_its_key(server: FakeServer, client: Client, busy: Reply) -> None:
    server.on("POST /v1/executions", replies(busy, json_reply({"status": "queued"})))
    assert client.start("echo", input={"n": 1}).status == "queued"
    assert [request.json for request in server.requests] == 2 * [
        {"skill": "echo", "input": {"n": 1}}
    ]
    first, second = keys(server)
    assert first
    assert first == second == str(UUID(first))


@pytest.mark.parametrize(("busy", "key"), [(BUSY, ""), (BUSY, "order 7"), (DOWN, "order 7")])
def test_a_run_is_repeated_when_the_server_asks_for_it_or_it_has_a_key(
    server: FakeServer, client: Client, busy: Reply, key: str
) -> None:
    server.on("POST /v1/executions", replies(busy, json_reply({"status": "success"})))
    assert client.run("echo", idempotency_key=key).status == "success"
    # A key of which the caller knows nothing would keep the run going when he leaves.
    assert keys(server) == [key or None] * 2


def test_each_call_has_a_key_of_its_own(server: FakeServer, client: Client, tmp_path: Path) -> None:
    server.on("POST /v1/executions", {"status": "success"})
    server.on("POST /v1/skills", {"name": "a"})
    (tmp_path / "a.zip").write_bytes(b"PK")
    client.start("echo")
    client.start("echo")
    client.register_skill(tmp_path / "a.zip")
    assert len(set(keys(server))) == 3
    client.run("echo", idempotency_key="order 7")
    assert keys(server)[-1] == "order 7"
    with pytest.raises(ValueError, match="idempotency_key: expected printable ASCII"):
        client.start("echo", idempotency_key="a\nb")


@pytest.mark.parametrize("reply", [DOWN, Reply(429), Reply(500), Reply(cut=True)])
def test_a_run_that_may_have_begun_is_not(
    server: FakeServer, client: Client, slept: list[float], reply: Reply
) -> None:
    server.on("POST /v1/executions", reply)
    with pytest.raises(APIError):
        client.run("echo")
    assert (len(server.requests), slept) == (1, [])


def test_a_new_key_is_made_once(server: FakeServer, client: Client, slept: list[float]) -> None:
    server.on("POST /v1/api-keys", DOWN)
    with pytest.raises(APIError):
        client.create_api_key()
    assert (len(server.requests), slept) == (1, [])


@pytest.mark.parametrize("reply", [Reply(500), Reply(404), Reply(cut=True)])
def test_other_failures_are_final(server: FakeServer, client: Client, reply: Reply) -> None:
    server.on("GET /v1/skills", reply)
    with pytest.raises(APIError):
        client.list_skills()
    assert len(server.requests) == 1


def test_an_upload_is_repeated_whole(server: FakeServer, client: Client, tmp_path: Path) -> None:
    content = b"PK" + bytes(200_000)
    (tmp_path / "a.zip").write_bytes(content)
    server.on("POST /v1/skills", replies(BUSY, json_reply({"name": "a"})))
    sent: list[int] = []
    assert client.upload_skill(tmp_path / "a.zip", progress=sent.append).name == "a"
    first, second = server.requests
    assert first.body == second.body
    assert content in second.body
    assert len(set(keys(server))) == 1
    # Each byte is told once.
    assert sum(sent) == len(content)


def test_there_is_an_end(server: FakeServer, client: Client) -> None:
    server.on("GET /v1/skills", BUSY)
    with pytest.raises(APIError) as caught:
        client.list_skills()
    assert (caught.value.status_code, caught.value.retry_after) == (429, 1)
    assert len(server.requests) == 3


def test_retries_can_be_turned_off(server: FakeServer) -> None:
    server.on("GET /v1/skills", BUSY)
    with Client(server.url, max_retries=0) as client, pytest.raises(APIError):
        client.list_skills()
    assert len(server.requests) == 1


@pytest.mark.parametrize("value", ["31", "99999999999", "-1", "soon", "1e3", "²"])
def test_nobody_waits_for_ever(
    server: FakeServer, client: Client, slept: list[float], value: str
) -> None:
    # A time that cannot be read counts like none; a long one is the caller's to wait.
    headers = {"Retry-After": value.encode().decode("latin-1")}
    server.on("GET /v1/skills", Reply(429, headers=headers))
    with pytest.raises(APIError):
        client.list_skills()
    assert slept == ([] if value == "31" else [0.3125, 0.625])
