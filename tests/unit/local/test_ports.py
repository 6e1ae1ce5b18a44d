import os
import socket
from contextlib import ExitStack

import psutil
import pytest

from skillbox_local.errors import LocalError
from skillbox_local.ports import Address, take, take_for_api


def test_taken_ports_differ() -> None:
    with take(20) as ports:
        assert len(set(ports)) == 20


def test_taken_port_goes_to_who_names_it_and_to_nobody_else() -> None:
    with take(1) as (port,):
        for _ in range(2):
            with socket.create_server(("127.0.0.1", port)):
                pass
        with ExitStack() as stack:
            others = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in "x" * 50]
            assert port not in {other.getsockname()[1] for other in others}


def test_port_of_somebody_else_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError) as raised, take_for_api("127.0.0.1", port):
            pass
    owner = f"{psutil.Process().name()} (pid {os.getpid()})"
    assert str(raised.value) == (
        f"port {port} of 127.0.0.1 is taken by {owner}: choose another with --port"
    )


def test_port_zero_is_any() -> None:
    with take_for_api("127.0.0.1", 0) as address:
        assert address.host == "127.0.0.1"
        assert address.port > 1023


def test_name_becomes_an_address() -> None:
    with take_for_api("localhost", 0) as address:
        assert address.host in ("127.0.0.1", "::1")


def test_address_of_another_machine() -> None:
    with (
        pytest.raises(LocalError, match=r"cannot listen on port 8080 of 192\.0\.2\.1: .*assign"),
        take_for_api("192.0.2.1", 8080),
    ):
        pass


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("192.0.2.1", "http://192.0.2.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
    ],
)
def test_url_for_clients_here(host: str, url: str) -> None:
    assert Address(host, 80).url == url
