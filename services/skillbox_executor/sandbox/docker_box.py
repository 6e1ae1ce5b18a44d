"""One container: its standard streams, its state and its removal."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError
from aiodocker.stream import Stream
from yarl import URL

from skillbox_executor.sandbox.docker_body import ATTACH
from skillbox_executor.sandbox.docker_engine import engine_errors
from skillbox_executor.sandbox.interface import Evidence, Profile
from skillbox_executor.sandbox.stream import MAX_COMPLAINT, Conversation

_NOT_FOUND = 404
_CONFLICT = 409
_EXIT_TIMEOUT_S = 5.0
_REMOVAL_S = 20.0
_SILENCE_S = 1.0
_WATCH_AFTER_S = 0.5  # for most runs are over by then, and need no request of their own
_STDOUT = 1


class AttachedStreams:
    """The standard streams of a container, over one hijacked connection."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._complaint = bytearray()
        self._reading_since: float | None = None
        self._closed = False

    async def attach(self) -> None:
        await self._stream.__aenter__()  # as `async with` would; `close` is the other end

    async def send(self, data: bytes) -> None:
        try:
            await self._stream.write_in(data)
        # The last two are what aiodocker says when the connection has gone.
        except (aiohttp.ClientError, AssertionError, RuntimeError) as error:
            raise ConnectionError("the connection to the box is gone") from error

    async def receive(self) -> bytes:
        while True:
            self._reading_since = time.monotonic()
            try:
                message = await self._stream.read_out()
            except (aiohttp.ClientError, OSError):
                return b""
            finally:
                self._reading_since = None
            if message is None:
                return b""
            if message.stream == _STDOUT:
                return message.data
            self._complaint += message.data[: MAX_COMPLAINT - len(self._complaint)]

    async def complaint(self) -> str:
        return self._complaint.decode(errors="replace")

    def connected(self) -> bool:
        """Tells whether the engine keeps the connection, which it ends with the container."""
        transport = self._transport()
        return transport is not None and not transport.is_closing()

    async def close_when_silent(self) -> None:
        """Closes the connection when a reader has waited in vain for a while."""
        # What the container said last may still be under way when its end is known.
        ended = time.monotonic()
        while not self._closed:
            since = self._reading_since
            waited = time.monotonic() - max(since, ended) if since else 0.0
            if waited >= _SILENCE_S:
                await self.close()
            else:
                await asyncio.sleep(_SILENCE_S - waited)

    async def close(self) -> None:
        """Closes the connection at once, without what has not been sent yet."""
        self._closed = True
        if transport := self._transport():
            transport.abort()  # aiodocker alone would first send the rest, for ever
        with suppress(AssertionError):  # aiodocker's, when the engine closed it before
            await self._stream.close()

    def _transport(self) -> asyncio.Transport | None:
        response = self._stream._resp
        connection = response.connection if response is not None else None
        return connection.transport if connection is not None else None


@dataclass(eq=False)
class DockerBox:
    """A started container with a waiting runner."""

    profile: Profile
    container: DockerContainer
    evidence: Evidence
    streams: AttachedStreams
    conversation: Conversation
    removal: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        return self.evidence.box_id

    async def end_with_container(self) -> None:
        """Ends the output when the container has ended.

        The engine does so by itself, but not while something that was sent to the container's
        stdin has not been taken: a runner that dies over a large payload would look alive.
        """
        await asyncio.sleep(_WATCH_AFTER_S)
        with suppress(DockerError, aiohttp.ClientError, OSError):
            await self.container.wait()
            await self.streams.close_when_silent()

    async def final_state(self) -> Mapping[str, Any] | None:
        return await final_state(self.container)

    async def why_lost(self) -> str:
        """Says why the output ended without an end frame."""
        if self.removal is not None:
            return "the box was destroyed"
        state = await self.final_state()
        if state is None:
            return "the Docker engine or the box is gone"
        if state.get("Running"):
            return "the connection to the box broke"
        if state.get("OOMKilled"):
            return "the box ran out of memory"
        return f"the box ended with status {state.get('ExitCode')} and without a result"


async def final_state(container: DockerContainer) -> Mapping[str, Any] | None:
    """Returns the state of a container that is about to end, or `None` for no answer."""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                await container.wait()
        found = await inspect(container)
    except (DockerError, aiohttp.ClientError, OSError):
        return None
    state: Mapping[str, Any] = found["State"]
    return state


def streams_of(container: DockerContainer) -> AttachedStreams:
    """Returns the standard streams of a container, which are still to be attached."""

    # Not `attach` of aiodocker, which asks for the container's description before: see `inspect`.
    async def setup() -> tuple[URL, None, bool]:
        return URL(f"containers/{container.id}/attach?{ATTACH}"), None, False

    return AttachedStreams(Stream(container.docker, setup))


async def inspect(container: DockerContainer) -> Mapping[str, Any]:
    """Returns the engine's description of a container."""
    # Not `show`, which keeps the description, of some 40 KiB, in the container's object. That is
    # part of a cycle of aiodocker's and so outlives the box until garbage is collected.
    path = f"containers/{container.id}/json"
    found: Mapping[str, Any] = await container.docker._query_json(path)
    return found


async def remove(container: DockerContainer) -> None:
    """Kills and removes a container, whatever its state.

    Raises:
        EngineUnavailable: The engine did not do it.
    """
    with engine_errors("remove the sandbox"):
        try:
            await container.delete(force=True, v=True)
        except DockerError as error:
            if error.status == _CONFLICT:  # somebody else is removing it
                with suppress(DockerError):
                    async with asyncio.timeout(_REMOVAL_S):
                        await container.wait(condition="removed")
            elif error.status != _NOT_FOUND:
                raise
