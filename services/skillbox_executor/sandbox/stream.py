"""Talks with a runner over whatever carries its standard streams."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Protocol

from skillbox_executor.runner import header
from skillbox_executor.sandbox.frames import (
    End,
    Frame,
    FrameError,
    FrameParser,
    Hello,
    encode_length,
)
from skillbox_executor.sandbox.interface import BoxLost, Language, Payload, RunnerFault

MAX_COMPLAINT = 8 * 1024
"""Bytes kept of what a runner writes to its stderr."""

_PIECE = 256 * 1024


class Wire(Protocol):
    """The standard streams of a runner."""

    async def send(self, data: bytes) -> None:
        """Writes to the runner's stdin; waits while the runner does not read.

        Raises:
            OSError: The runner reads no more.
        """
        ...

    async def receive(self) -> bytes:
        """Returns the next piece of the runner's stdout, or nothing at its end."""
        ...

    async def complaint(self) -> str:
        """Returns the start of the runner's stderr. Asked when stdout has ended or is faulty."""
        ...


class Conversation:
    """One runner's side of the protocol, from its greeting to its end frame."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._frames = self._receive()
        self._sending: asyncio.Task[None] | None = None
        self._start = asyncio.Event()

    async def greeting(self) -> None:
        """Returns when the runner waits for a payload.

        Raises:
            BoxLost: The box ended before.
            RunnerFault: The runner said something else, or failed.
        """
        if not isinstance(await anext(self._frames), Hello):
            raise RunnerFault("the runner did not greet")

    def load(self, language: Language, payload: Payload) -> "asyncio.Task[None]":
        """Begins to send a payload, up to its last byte: the runner unpacks it and waits."""
        sending = asyncio.create_task(self._send(header(language, payload), payload.tar))
        # That the runner reads no more is no error: what it says, or no longer says, counts.
        sending.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._sending = sending
        return sending

    async def run(self, language: Language, payload: Payload) -> AsyncIterator[Frame]:
        """Sends the payload, or what `load` kept back of it, while it yields the runner's frames.

        The end frame is the last.

        Raises:
            BoxLost: The stream ended without an end frame.
            RunnerFault: The runner broke the protocol, or failed by itself.
        """
        sending = self._sending or self.load(language, payload)
        self._start.set()
        try:
            async with aclosing(self._frames) as frames:
                async for frame in frames:
                    if isinstance(frame, Hello):
                        raise RunnerFault("the runner greeted twice")
                    yield frame
                    if isinstance(frame, End):
                        return
        finally:
            self.close()
            await asyncio.gather(sending, return_exceptions=True)

    def close(self) -> None:
        """Sends no more."""
        if self._sending is not None:
            self._sending.cancel()

    async def _receive(self) -> AsyncGenerator[Frame, None]:
        parser = FrameParser()
        try:
            while data := await self._wire.receive():
                for frame in parser.feed(data):
                    yield frame
        except FrameError as error:
            raise RunnerFault(f"the runner broke its protocol: {error}") from error
        if complaint := (await self._wire.complaint()).strip():
            raise RunnerFault(f"the runner failed: {complaint}")
        raise BoxLost("the box ended without saying how")

    async def _send(self, head: bytes, tar: Sequence[bytes]) -> None:
        *pieces, last = tar
        assert last, "a tar ends with zeros"
        await self._wire.send(
            b"%b%b%b" % (encode_length(len(head)), head, encode_length(sum(map(len, tar))))
        )
        for piece in (*pieces, last[:-1]):
            for start in range(0, len(piece), _PIECE):
                await self._wire.send(piece[start : start + _PIECE])
        await self._start.wait()
        await self._wire.send(last[-1:])
