"""Ports of this machine: taking free ones, and who has a taken one.

A taken port is bound but not listened on. The kernel then gives it to nobody who asks for any
port, as every outgoing connection does, while a server that names it gets it: servers set
SO_REUSEADDR.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import psutil

from skillbox_local.errors import LocalError


@contextmanager
def take(count: int) -> Iterator[list[int]]:
    """Takes free ports of the loopback for servers that are started meanwhile."""
    with ExitStack() as stack:
        yield [stack.enter_context(_bound(socket.AF_INET, ("127.0.0.1", 0))) for _ in range(count)]


@dataclass(frozen=True)
class Address:
    """Where the API listens.

    Attributes:
        host: An IP address.
    """

    host: str
    port: int

    @property
    def url(self) -> str:
        """Base URL for a client on this machine."""
        ip = ip_address(self.host)
        if ip.is_unspecified:
            ip = ip_address("127.0.0.1" if ip.version == 4 else "::1")
        return f"http://[{ip}]:{self.port}" if ip.version == 6 else f"http://{ip}:{self.port}"


@contextmanager
def take_for_api(host: str, port: int) -> Iterator[Address]:
    """Takes the port of the API.

    Args:
        port: 0 takes any free one.

    Raises:
        LocalError: It is taken, forbidden, or `host` is no address of this machine.
    """
    with ExitStack() as stack:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            taken = stack.enter_context(_bound(family, address))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"port {port} of {host} is taken{_owner(port)}: choose another with --port"
            else:
                reason = f"cannot listen on port {port} of {host}: {error.strerror}"
            raise LocalError(reason) from error
        yield Address(str(address[0]), taken)


@contextmanager
def _bound(family: int, address: tuple[object, ...]) -> Iterator[int]:
    """Binds a socket; yields its port."""
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(address)
        yield holder.getsockname()[1]


def _owner(port: int) -> str:
    """Returns ` by NAME (pid N)`, or nothing where this user may not know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            if listens and connection.pid and connection.laddr and connection.laddr.port == port:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""
