"""The processes of one box: bubblewrap's monitor on the host, and PID 1 of the box."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, Any, Protocol

import msgspec

from skillbox_executor.sandbox.bubblewrap_command import LAUNCHER_PATH
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


class CommandLine(Protocol):
    """What is left of `bubblewrap_command.command_line`; see there."""

    def __call__(self, *, info: int, gate: int, give: Callable[[bytes], int]) -> Sequence[str]: ...


class _Info(msgspec.Struct, rename="kebab"):
    child_pid: int


class BoxProcess:
    """Starts a box, carries its standard streams, and ends it. A `stream.Wire`.

    Attributes:
        pid: PID 1 of the box, as the host counts; set by `start`.
    """

    pid: int

    def __init__(self) -> None:
        self._cleanup = ExitStack()
        self._monitor: asyncio.subprocess.Process | None = None
        self._handle = -1  # of PID 1, whose number may be another process by the time we kill
        self._complaint = bytearray()
        self._collecting: asyncio.Task[None] | None = None

    async def start(
        self,
        command_line: CommandLine,
        environment: Mapping[str, str],
        before: Callable[[int], None],
    ) -> None:
        """Starts the box and lets PID 1 run the runner once `before(pid)` has returned.

        A cancellation waits: half a start leaves processes that cannot be found any more.

        Args:
            environment: Of the monitor; the box does not see it.
            before: Limits PID 1, which is isolated then and waits. Called in a thread.

        Raises:
            EngineUnavailable: The box did not start; the text has what bubblewrap said.
        """
        await _uninterrupted(self._start(command_line, environment, before))

    async def _start(
        self,
        command_line: CommandLine,
        environment: Mapping[str, str],
        before: Callable[[int], None],
    ) -> None:
        try:
            info, gate = await self._launch(command_line, environment)
            async with asyncio.timeout(_START_SECONDS):
                told = await info.read()
            if not told:
                raise EngineUnavailable(f"{_FAILED}: {await self.complaint()} ({_HINT})")
            self.pid = msgspec.json.decode(told, type=_Info).child_pid
            self._handle = os.pidfd_open(self.pid)
            self._cleanup.callback(os.close, self._handle)
            await asyncio.to_thread(before, self.pid)
            gate.write(b"1")
        except (TimeoutError, OSError, msgspec.DecodeError) as error:
            raise EngineUnavailable(f"{_FAILED}: {await self.complaint() or error}") from error

    async def _launch(
        self, command_line: CommandLine, environment: Mapping[str, str]
    ) -> tuple[asyncio.StreamReader, IO[bytes]]:
        """Starts bubblewrap; returns what it tells and the gate that it waits at."""
        with ExitStack() as theirs:
            stdin, write_stdin = self._pipe(theirs, we_write=True)
            stdout, read_stdout = self._pipe(theirs, we_write=False)
            stderr, read_stderr = self._pipe(theirs, we_write=False)
            info, read_info = self._pipe(theirs, we_write=False)
            gate, open_gate = self._pipe(theirs, we_write=True)
            inherited = [info, gate]

            def give(content: bytes) -> int:
                inherited.append(_memory_file(content))
                theirs.callback(os.close, inherited[-1])
                return inherited[-1]

            self._monitor = await asyncio.create_subprocess_exec(
                *command_line(info=info, gate=gate, give=give),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=inherited,
                env={"PATH": LAUNCHER_PATH, **environment},
                cwd="/",
                start_new_session=True,
            )
        self._stdin = await self._writer(write_stdin)
        self._stdout = await self._reader(read_stdout)
        self._collecting = asyncio.create_task(self._collect(await self._reader(read_stderr)))
        return await self._reader(read_info), open_gate

    async def send(self, data: bytes) -> None:
        self._stdin.write(data)
        await self._stdin.drain()

    async def receive(self) -> bytes:
        return await self._stdout.read(_CHUNK)

    async def complaint(self) -> str:
        if self._collecting is not None:
            await asyncio.wait([self._collecting], timeout=_COMPLAINT_SECONDS)
        return self._complaint.decode(errors="replace").strip()

    def alive(self) -> bool:
        """Tells whether PID 1 still is the process that it was."""
        try:
            signal.pidfd_send_signal(self._handle, 0)
        except OSError:
            return False
        return True

    async def end(self) -> None:
        """Kills the box and returns when no process of it is left.

        Raises:
            EngineUnavailable: The kernel does not end it.
        """
        if self._monitor is not None:
            await self._kill(self._monitor)
        # The number of the handle may soon be that of another box's.
        self._monitor, self._handle = None, -1
        self._cleanup.close()

    async def _kill(self, monitor: asyncio.subprocess.Process) -> None:
        if self._handle < 0:
            with suppress(ProcessLookupError):
                monitor.kill()
        else:
            # With PID 1 the kernel kills all of the box. The monitor then reaps it and ends.
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        try:
            async with asyncio.timeout(_KILL_SECONDS):
                await monitor.wait()
        except TimeoutError:
            monitor.kill()
            raise EngineUnavailable("a box could not be killed") from None

    async def _collect(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(_CHUNK):
            self._complaint += data[: MAX_COMPLAINT - len(self._complaint)]

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


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Awaits `work` to its end even when the caller is cancelled; raises that only then."""
    task = asyncio.ensure_future(work)
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
