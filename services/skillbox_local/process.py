"""One supervised process: started, watched, restarted, stopped."""

import asyncio
import ctypes
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from skillbox_local.errors import LocalError
from skillbox_local.state import ProcessState

_LOG_LINES = 15
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_STABLE_S = 60.0
_NICENESS = -10
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Program:
    """What to run.

    Attributes:
        env: The complete environment. Secrets go here, never into `argv`, which every user
            of the machine can read.
        stop_signal: Asks the program to end in good order.
        user: uid and gid to run as; None keeps the supervisor's own.
        prepare: Runs once, before the first start.
    """

    name: str
    argv: Sequence[str | Path]
    env: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    user: tuple[int, int] | None = None
    prepare: Callable[[], Awaitable[None]] | None = None


@dataclass
class Child:
    """A program's process. It dies with the supervisor, even when that is killed.

    Attributes:
        log: Takes everything that the program prints.
        changed: Called after each change of `state`.
    """

    program: Program
    log: Path
    changed: Callable[[], None]
    state: ProcessState = field(default_factory=lambda: ProcessState("starting"))
    restart: bool = False
    _process: Process | None = None
    _stopping: bool = False

    async def keep(self) -> None:
        """Runs the program until `stop`, again and again once `restart` is set.

        Raises:
            LocalError: It cannot be started, or ended while `restart` was not set.
        """
        if self.program.prepare:
            await self.program.prepare()
        wait = _FIRST_WAIT_S
        while not self._stopping:
            since = time.monotonic()
            self._process = await self._spawn()
            self._set("running", self._process.pid)
            code = await self._process.wait()
            if self._stopping:
                return
            if not self.restart:
                self._set("stopped", None)
                raise LocalError(self._report(code))
            if time.monotonic() - since > _STABLE_S:
                wait = _FIRST_WAIT_S
            self._set("waiting", None, self.state.restarts + 1)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)

    async def stop(self) -> None:
        """Ends the program in good order, or by force when it takes too long."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(self.program.stop_signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.program.stop_seconds)
        await self.kill()

    async def kill(self) -> None:
        """Ends the program and what it started, at once."""
        self._stopping = True
        if self._process is not None:
            # It leads its own process group, which outlives it as long as a member does.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self._set("stopped", None)

    async def _spawn(self) -> Process:
        program = self.program
        uid, gid = program.user or (None, None)
        number, parent = program.stop_signal, os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with self.log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *program.argv,
                    env=program.env,
                    cwd="/",
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # A Ctrl-C on the terminal is for the supervisor, which stops them in order.
                    start_new_session=True,
                    user=uid,
                    group=gid,
                    extra_groups=None if gid is None else [],
                    preexec_fn=die_with_parent,
                )
        except OSError as error:
            raise LocalError(f"{program.name} cannot be started: {error}") from error
        _put_first(process.pid)
        return process

    def _set(self, state: str, pid: int | None, restarts: int | None = None) -> None:
        created = 0.0
        if pid is not None:
            with suppress(psutil.NoSuchProcess):
                created = psutil.Process(pid).create_time()
        count = self.state.restarts if restarts is None else restarts
        self.state = ProcessState(state, pid, count, created)
        self.changed()

    def _report(self, code: int) -> str:
        if code < 0:
            ending = f"was killed by {signal.Signals(-code).name}"
        else:
            ending = f"ended with exit code {code}"
        with self.log.open(errors="replace") as file:
            lines = file.read().splitlines()[-_LOG_LINES:]
        return "\n".join(
            [f"{self.program.name} {ending}; the end of {self.log}:", *(f"  {x}" for x in lines)]
        )


def _put_first(pid: int) -> None:
    """Lets a program go before what the machine does for boxes, where this user may say so.

    An engine starts boxes in processes of its own, to which nobody can give a lower weight.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, min(_NICENESS, os.getpriority(os.PRIO_PROCESS, pid)))
