"""The processes of one box: bubblewrap's monitor on the host, and PID 1 of the box."""

import asyncio
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import IO, Protocol

import msgspec

from skillbox_executor.sandbox.bubblewrap_launcher import Launch, Launcher
from skillbox_executor.sandbox.interface import EngineUnavailable
from skillbox_executor.sandbox.stream import MAX_COMPLAINT

_CHUNK = 64 * 1024
_START_SECONDS = 10.0
_KILL_SECONDS = 5.0
_COMPLAINT_SECONDS = 1.0

_FAILED = "bubblewrap could not start a box"
_HINT = (
    "it needs bubblewrap 0.8 or later, and user namespaces: the sysctls user.max_user_namespaces, "
    "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns rule them"
)


class Plan(Protocol):
    """What is left of `bubblewrap_command.launch`; see there."""

    def __call__(self, *, info: int, gate: int, give: Callable[[bytes], int]) -> Launch: ...


class _Info(msgspec.Struct, rename="kebab"):
    child_pid: int


class BoxProcess:
    """Starts a box, carries its standard streams, and ends it. A `stream.Wire`.

    Attributes:
        pid: PID 1 of the box, as the host counts; set by `start`.
    """

    pid: int

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._cleanup = ExitStack()
        # Handles, because the numbers may be other processes by the time we kill.
        self._monitor = -1
        self._first = -1  # PID 1 of the box
        self._read_stderr: IO[bytes] | None = None
        self._starting: asyncio.Task[None] | None = None
        # Nothing is closed while it is being read, nor opened afterwards.
        self._complaining = asyncio.Lock()

    async def start(self, plan: Plan, before: Callable[[int], None]) -> None:
        """Starts the box and lets PID 1 run the runner once `before(pid)` has returned.

        A cancellation waits: half a start leaves processes that cannot be found any more.

        Args:
            before: Limits PID 1, which is isolated then and waits. Called in a thread.

        Raises:
            EngineUnavailable: The box did not start; the text has what bubblewrap said.
        """
        self._starting = asyncio.create_task(self._start(plan, before))
        await _uninterrupted(self._starting)

    async def _start(self, plan: Plan, before: Callable[[int], None]) -> None:
        try:
            await asyncio.to_thread(self._launch, plan, before)
            self._stdin = await self._writer(self._write_stdin)
            self._stdout = await self._reader(self._read_stdout)
        except (TimeoutError, OSError, msgspec.DecodeError) as error:
            raise EngineUnavailable(
                f"{_FAILED}: {await self.complaint() or error} ({_HINT})"
            ) from error

    def _launch(self, plan: Plan, before: Callable[[int], None]) -> None:
        with ExitStack() as theirs:
            stdin, self._write_stdin = self._pipe(theirs, we_write=True)
            stdout, self._read_stdout = self._pipe(theirs, we_write=False)
            stderr, self._read_stderr = self._pipe(theirs, we_write=False)
            info, read_info = self._pipe(theirs, we_write=False)
            gate, open_gate = self._pipe(theirs, we_write=True)
            given = [stdin, stdout, stderr, info, gate]

            def give(content: bytes) -> int:
                given.append(_memory_file(content))
                theirs.callback(os.close, given[-1])
                return len(given) - 1

            what = plan(info=given.index(info), gate=given.index(gate), give=give)
            self._monitor = self._launcher.launch(what, given)
        self._cleanup.callback(os.close, self._monitor)
        with read_info, open_gate:
            told = _read_all(read_info)
            self.pid = msgspec.json.decode(told, type=_Info).child_pid
            self._first = os.pidfd_open(self.pid)
            self._cleanup.callback(os.close, self._first)
            before(self.pid)
            open_gate.write(b"1")

    async def send(self, data: bytes) -> None:
        self._stdin.write(data)
        await self._stdin.drain()

    async def receive(self) -> bytes:
        return await self._stdout.read(_CHUNK)

    async def complaint(self) -> str:
        said = bytearray()
        async with self._complaining:
            if self._read_stderr is None or self._read_stderr.closed:
                return ""
            with suppress(TimeoutError):
                async with asyncio.timeout(_COMPLAINT_SECONDS):
                    stderr = await self._reader(self._read_stderr)
                    while data := await stderr.read(_CHUNK):
                        said += data[: MAX_COMPLAINT - len(said)]
        return said.decode(errors="replace").strip()

    def alive(self) -> bool:
        """Tells whether PID 1 still is the process that it was."""
        try:
            signal.pidfd_send_signal(self._first, 0)
        except OSError:
            return False
        return True

    async def end(self) -> None:
        """Kills the box and returns when no process of it is left.

        Raises:
            EngineUnavailable: The kernel does not end it.
        """
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if self._monitor >= 0:
            # With PID 1 the kernel kills all of the box. The monitor then reaps it and ends.
            _kill(self._first if self._first >= 0 else self._monitor)
            try:
                async with asyncio.timeout(_KILL_SECONDS):
                    await _ended(self._monitor)
            except TimeoutError:
                _kill(self._monitor)
                raise EngineUnavailable("a box could not be killed") from None
        # The numbers of the handles may soon be those of another box's.
        self._monitor = self._first = -1
        async with self._complaining:
            self._cleanup.close()

    def _pipe(self, theirs: ExitStack, *, we_write: bool) -> tuple[int, IO[bytes]]:
        read, write = os.pipe()
        inherited, kept = (read, write) if we_write else (write, read)
        theirs.callback(os.close, inherited)
        file = os.fdopen(kept, "wb" if we_write else "rb", buffering=0)
        return inherited, self._cleanup.enter_context(file)

    async def _reader(self, file: IO[bytes]) -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        self._cleanup.callback(_close, transport)
        return reader

    async def _writer(self, file: IO[bytes]) -> asyncio.StreamWriter:
        loop = asyncio.get_running_loop()
        # The reader is never fed; the protocol is here for its flow control.
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), file
        )
        self._cleanup.callback(_close, transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)


def _kill(handle: int) -> None:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)


async def _ended(handle: int) -> None:
    """Returns when a process has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)


def _read_all(file: IO[bytes]) -> bytes:
    """Reads to the end.

    Raises:
        TimeoutError: It takes too long.
    """
    poll = select.poll()
    poll.register(file, select.POLLIN)
    end = time.monotonic() + _START_SECONDS
    pieces = [b""]
    while len(pieces) == 1 or pieces[-1]:
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError("it tells nothing")
        pieces.append(file.read(_CHUNK))
    return b"".join(pieces)


def _close(transport: asyncio.ReadTransport | asyncio.WriteTransport) -> None:
    if not transport.is_closing():
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()  # nobody will read what is still to be written
        else:
            transport.close()


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("skillbox")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


async def _uninterrupted(task: "asyncio.Task[None]") -> None:
    """Awaits a task to its end even when the caller is cancelled; raises that only then."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    fault = None if task.cancelled() else task.exception()
    if cancelled or task.cancelled():
        raise asyncio.CancelledError
    if fault is not None:
        raise fault
