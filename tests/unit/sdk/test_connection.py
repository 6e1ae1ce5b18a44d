import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from skillbox import APIError, Client
from skillbox_common.error_catalogue import CATALOGUE
from tests.support.parts import free_port
from tests.unit.sdk.fake_server import FakeServer, Reply, Request, json_reply, refusal


def test_the_key_and_the_tenant_are_sent(server: FakeServer) -> None:
    server.on("GET /health", {"status": "ok"})
    Client(server.url + "/", "sk-a", tenant_id="acme").health()
    assert server.last.path == "/health"
    assert server.last.headers["Authorization"] == "Bearer sk-a"
    assert server.last.headers["X-Tenant-ID"] == "acme"


def test_empty_headers_are_left_out(server: FakeServer) -> None:
    server.on("GET /health", {"status": "ok"})
    Client(server.url).health()
    assert "Authorization" not in server.last.headers
    assert "X-Tenant-ID" not in server.last.headers


def test_the_key_comes_from_the_environment(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKILLBOX_API_KEY", "sk-env")
    server.on("GET /health", {"status": "ok"})
    Client(server.url).health()
    assert server.last.headers["Authorization"] == "Bearer sk-env"


def test_a_path_before_the_api_is_kept(server: FakeServer) -> None:
    server.on("GET /skillbox/v1/skills", [])
    assert Client(f"{server.url}/skillbox/").list_skills() == []


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "file:///etc"])
def test_a_bad_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL such as http://localhost:8080"):
        Client(url)


def test_a_key_from_a_file_may_end_with_a_newline(server: FakeServer) -> None:
    server.on("GET /health", {"status": "ok"})
    Client(server.url, "sk-a\n").health()
    assert server.last.headers["Authorization"] == "Bearer sk-a"


@pytest.mark.parametrize("key", ["sk-a\nX-Evil: 1", "sk-\u00e4"])
def test_a_key_that_no_header_can_hold_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError) as caught:
        Client("http://localhost", key)
    assert str(caught.value) == "api_key: expected printable ASCII characters"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (APIError(422, "code", "msg"), "skillbox: 422 code: msg"),
        (APIError(401, "unauthorized"), "skillbox: 401 unauthorized"),
        (APIError(500), "skillbox: 500"),
    ],
)
def test_errors_are_printed(error: APIError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("wire", sorted({(w.http_status, w.rest_code) for w in CATALOGUE.values()}))
def test_every_documented_error_is_an_exception(server: FakeServer, wire: tuple[int, str]) -> None:
    server.on("POST /v1/executions", refusal(*wire, "because"))
    with Client(server.url, max_retries=0) as client, pytest.raises(APIError) as caught:
        client.run("echo")
    error = caught.value
    assert (error.status_code, error.error_code, error.message) == (*wire, "because")


def test_a_refusal_has_code_and_message(server: FakeServer, client: Client) -> None:
    server.on("GET /health", refusal(403, "forbidden", "no"))
    with pytest.raises(APIError) as caught:
        client.health()
    error = caught.value
    assert (error.status_code, error.error_code, error.message) == (403, "forbidden", "no")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"x"}', b"null", b"[" * 10**5])
def test_a_refusal_in_another_form_has_the_status(
    server: FakeServer, client: Client, body: bytes
) -> None:
    server.on("GET /health", Reply(502, body))
    with pytest.raises(APIError) as caught:
        client.health()
    assert str(caught.value) == "skillbox: 502"


def test_a_redirect_is_not_followed(server: FakeServer, client: Client) -> None:
    server.on("GET /health", Reply(302, headers={"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(APIError) as caught:
        client.health()
    assert caught.value.status_code == 302


def test_no_server_is_status_0() -> None:
    port = free_port()
    with pytest.raises(APIError, match=f"127.0.0.1:{port}: Connection refused") as caught:
        Client(f"http://127.0.0.1:{port}", "sk-secret").health()
    assert caught.value.status_code == 0
    assert "sk-secret" not in str(caught.value)


def test_a_silent_server_is_status_0() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)
        with pytest.raises(APIError, match="timed out") as caught:
            client.health()
        client.close()
    assert caught.value.status_code == 0


def test_a_reply_that_breaks_off_is_status_0(server: FakeServer, client: Client) -> None:
    server.on("GET /v1/skills", Reply(body=[b"[", b"]"], cut=True))
    with pytest.raises(APIError) as caught:
        client.list_skills()
    assert caught.value.status_code == 0


def test_a_run_whose_connection_breaks_is_not_sent_again(
    server: FakeServer, client: Client
) -> None:
    server.on("GET /health", {"status": "ok"})
    client.health()
    server.requests.clear()
    server.on("POST /v1/executions", Reply(cut=True))
    with pytest.raises(APIError):
        client.run("echo")
    assert len(server.requests) == 1


def test_a_connection_is_reused(server: FakeServer, client: Client) -> None:
    server.on("GET /health", {"status": "ok"})
    server.on("DELETE /v1/skills/a/1.0.0", Reply(204))
    client.health()
    client.delete_skill("a", "1.0.0")
    client.health()
    assert len({request.port for request in server.requests}) == 1


def test_a_connection_that_the_server_closed_is_replaced(
    server: FakeServer, client: Client
) -> None:
    server.on("GET /health", Reply(200, b"{}", {"Connection": "close"}))
    client.health()
    client.health()
    server.on("GET /health", {"status": "ok"})
    client.health()
    assert len({request.port for request in server.requests}) == 3


def test_an_idle_connection_that_died_is_noticed(client: Client, server: FakeServer) -> None:
    server.on("GET /health", {"status": "ok"})
    server.on("POST /v1/executions", {"status": "success"})
    client.health()
    [idle] = client._idle
    assert idle.sock is not None
    idle.sock.shutdown(socket.SHUT_RD)
    assert client.run("echo").status == "success"
    assert len({request.port for request in server.requests}) == 2


def test_threads_share_a_client(server: FakeServer, client: Client) -> None:
    barrier = Barrier(4, timeout=10)

    def echo(request: Request) -> Reply:
        # Four calls are under way at the same time, or this times out.
        barrier.wait()
        return json_reply({"status": "success", "output": request.json["input"]})

    server.on("POST /v1/executions", echo)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda n: client.run("echo", input=n), range(1, 21)))
    assert [result.output for result in results] == list(range(1, 21))
    assert len({request.port for request in server.requests}) == 4
