"""What a person reads when the address is wrong, and what to do next."""

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from skillbox.cli.errors import ExitCode
from tests.support.parts import free_port
from tests.unit.cli.conftest import Cli
from tests.unit.sdk.fake_server import FakeServer, Reply


@contextlib.contextmanager
def listen(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """Runs a server that answers one connection; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                answer(connection)

        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def tls(tmp_path: Path) -> Callable[[socket.socket], object]:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subject = ["-nodes", "-subj", "/CN=localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", *curve, *subject, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
        timeout=30,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return lambda connection: context.wrap_socket(connection, server_side=True).close()


def failure(cli: Cli, url: str) -> tuple[str, str]:
    done = cli("skill", "list", "--server", url)
    assert done.exit_code == ExitCode.ERROR
    message, hint = done.stderr.splitlines()
    assert message.startswith(f"Error: server {url}: ")
    return message, hint


def test_nobody_listens(cli: Cli) -> None:
    message, hint = failure(cli, f"http://127.0.0.1:{free_port()}")
    assert message.endswith("Connection refused")
    assert "`skillbox up` starts it here" in hint


def test_https_to_a_server_without_tls(cli: Cli, server: FakeServer) -> None:
    _, hint = failure(cli, server.url.replace("http:", "https:"))
    assert "http://" in hint


def test_http_to_a_server_with_tls(cli: Cli, tmp_path: Path) -> None:
    with listen(tls(tmp_path)) as port:
        _, hint = failure(cli, f"http://127.0.0.1:{port}")
    assert "https://" in hint


def test_a_certificate_that_nobody_vouches_for(cli: Cli, tmp_path: Path) -> None:
    with listen(tls(tmp_path)) as port:
        _, hint = failure(cli, f"https://127.0.0.1:{port}")
    assert "SSL_CERT_FILE" in hint


def test_a_page_for_people(cli: Cli, server: FakeServer) -> None:
    server.on("GET /v1/skills", Reply(body=b"<html>Welcome</html>"))
    message, hint = failure(cli, server.url)
    assert "is this a Skillbox server?" in message
    assert "--server" in hint


@pytest.mark.parametrize("key", ["", "sk-wrong"])
def test_no_key_or_a_wrong_one(cli: Cli, server: FakeServer, key: str) -> None:
    refusal = b'{"error":"unauthorized","message":"missing Authorization header"}'
    server.on("GET /v1/skills", Reply(401, refusal))
    done = cli("skill", "list", SKILLBOX_API_KEY=key)
    assert done.exit_code == ExitCode.NOT_ALLOWED
    assert "Set SKILLBOX_API_KEY" in done.stderr
