"""Ports of this machine: finding free ones, and who has a taken one."""

import errno
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address

import psutil

from skillbox_local.errors import LocalError


def free_ports(count: int) -> list[int]:
    """Returns different ports of the loopback that nobody listens on right now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


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


def claim(host: str, port: int) -> Address:
    """Checks that the API can listen there.

    Args:
        port: 0 takes any free one.

    Raises:
        LocalError: It is taken, forbidden, or `host` is no address of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return Address(*probe.getsockname()[:2])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"port {port} of {host} is taken{_owner(port)}: choose another with --port"
        else:
            reason = f"cannot listen on port {port} of {host}: {error.strerror}"
        raise LocalError(reason) from error


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
