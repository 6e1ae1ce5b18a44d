"""Starts boxes through a small process that is kept for it: see `bubblewrap_zygote`."""

import inspect
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

import msgspec

from skillbox_executor.sandbox import bubblewrap_zygote

_PROGRAM = inspect.getsource(bubblewrap_zygote)
_ANSWER_SECONDS = 10.0
_END_SECONDS = 5.0


class Launch(msgspec.Struct, frozen=True):
    """A process to start.

    Attributes:
        program: Path; `argv[0]` may differ.
        tmpfs: Options of file systems that are mounted for it, by where. All are noexec.
        bind: Folders that are mounted for it, by where.
        user: Which user and group it becomes; 0 for the present one.
    """

    program: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    tmpfs: Mapping[str, str]
    bind: Mapping[str, str]
    user: int


class Launcher:
    """Starts processes in mount namespaces of their own. Its methods block.

    The zygote is started when it is needed, and again when it has ended. All that it started ends
    with it, and it ends with this process.

    Args:
        needed: Paths that must be there in the namespaces, with what is mounted below.
    """

    def __init__(self, needed: Sequence[str]) -> None:
        self._needed = needed
        self._lock = threading.Lock()
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def launch(self, what: Launch, descriptors: Sequence[int]) -> int:
        """Starts a process, in which the descriptors are 0, 1, 2 and so on.

        Returns:
            A handle to the process, as `os.pidfd_open` gives one.

        Raises:
            OSError: It was not started.
        """
        request = msgspec.json.encode(what)
        with self._lock:
            control = self._running()
            try:
                socket.send_fds(control, [request], descriptors)
                answer, handles, _, _ = socket.recv_fds(
                    control, bubblewrap_zygote.MAX_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC
                )
            except (ConnectionError, TimeoutError):
                self._stop()  # the answer to come would be taken for that to the next request
                raise
            if not answer:
                self._stop()
        if not handles:
            raise OSError(answer.decode(errors="replace") or "the zygote has ended")
        return handles[0]

    def close(self) -> None:
        """Ends the zygote, and with it what it started."""
        with self._lock:
            self._stop()

    def _running(self) -> socket.socket:
        if self._zygote is not None and self._zygote.poll() is not None:
            self._stop()
        if self._control is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._control.settimeout(_ANSWER_SECONDS)
            with theirs:
                self._zygote = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _PROGRAM, *self._needed],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # what goes wrong is in the answer
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
        return self._control

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._zygote is not None:
            try:
                self._zygote.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._zygote.kill()
                self._zygote.wait()
        self._control = self._zygote = None
