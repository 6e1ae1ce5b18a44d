"""The connection to a Docker Engine, and its errors in the words of the driver interface."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from skillbox_executor.sandbox.interface import EngineUnavailable

# Without it a hanging engine would hold a run for ever. Starting a box takes under a second.
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
_NOT_REACHED = 900
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
        connector = aiohttp.TCPConnector(limit=0)
    else:
        raise EngineUnavailable(
            f"docker_host: {docker_host!r} is not valid: expected unix://PATH or tcp://HOST:PORT"
        )
    async with connector, Docker(docker_host, connector=connector, timeout=_TIMEOUT) as docker:
        yield docker


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turns errors of the engine into `EngineUnavailable`.

    Args:
        doing: What the engine is asked to do, as in "the engine could not …".
    """
    try:
        yield
    except DockerError as error:
        if error.status == _NOT_REACHED:
            raise EngineUnavailable("the Docker engine does not answer") from error
        message = str(error.message).strip()[:_MAX_TEXT]
        raise EngineUnavailable(f"the Docker engine could not {doing}: {message}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineUnavailable("the Docker engine does not answer") from error
