"""The connection to a Docker Engine, and its errors in the words of the driver interface."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from skillbox_executor.sandbox.interface import EngineAway, EngineUnavailable

# Without it a hanging engine would hold a run for ever. Starting a box takes under a second.
_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=5)
# What aiodocker says itself, and what a proxy says whose engine is away.
_NOT_REACHED = frozenset({900, 502, 503, 504})
_SILENCE_S = 20
_MAX_TEXT = 300


@asynccontextmanager
async def connect(docker_host: str) -> AsyncIterator[Docker]:
    """Yields a client of the engine at `unix://PATH` or `tcp://HOST:PORT`.

    Nothing is sent before the first request.

    Raises:
        EngineUnavailable: The address is of another form.
    """
    # Every attached box holds a connection, so there must be no ceiling for them.
    connector: aiohttp.BaseConnector
    if docker_host.startswith("unix://"):
        connector = aiohttp.UnixConnector(docker_host.removeprefix("unix://"), limit=0)
        docker_host = "unix://localhost"
    elif docker_host.startswith(("tcp://", "http://")):
        connector = aiohttp.TCPConnector(limit=0, socket_factory=_watched_socket)
    else:
        raise EngineUnavailable(
            f"docker_host: {docker_host!r} is not valid: expected unix://PATH or tcp://HOST:PORT"
        )
    async with connector, Docker(docker_host, connector=connector, timeout=_TIMEOUT) as docker:
        yield docker


def _watched_socket(
    address: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, Any],
) -> socket.socket:
    """Makes a socket whose connection ends when the other side has vanished without a word.

    A box that waits or a skill that says nothing would else look well for ever.
    """
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_S * 1000)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE_S // 2)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SILENCE_S // 4)
    return made


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turns errors of the engine into `EngineUnavailable`, or `EngineAway` where it fits.

    Args:
        doing: What the engine is asked to do, as in "the engine could not …".
    """
    try:
        yield
    except DockerError as error:
        if error.status in _NOT_REACHED:
            raise EngineAway("the Docker engine does not answer") from error
        message = str(error.message).strip()[:_MAX_TEXT]
        raise EngineUnavailable(f"the Docker engine could not {doing}: {message}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineAway("the Docker engine does not answer") from error
