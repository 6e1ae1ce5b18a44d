import os
import socket

import psutil
import pytest

from skillbox_local.errors import LocalError
from skillbox_local.ports import Address, claim, free_ports


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_taken_port_names_its_owner() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError) as raised:
            claim("127.0.0.1", port)
    owner = f"{psutil.Process().name()} (pid {os.getpid()})"
    assert str(raised.value) == (
        f"port {port} of 127.0.0.1 is taken by {owner}: choose another with --port"
    )


def test_port_zero_is_any() -> None:
    address = claim("127.0.0.1", 0)
    assert address.host == "127.0.0.1"
    assert address.port > 1023


def test_name_becomes_an_address() -> None:
    assert claim("localhost", 0).host in ("127.0.0.1", "::1")


def test_address_of_another_machine() -> None:
    with pytest.raises(LocalError, match=r"cannot listen on port 8080 of 192\.0\.2\.1: .*assign"):
        claim("192.0.2.1", 8080)


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
