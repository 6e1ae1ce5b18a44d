"""What the command line does with a stack: start it in the background, end it, ask it."""

import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from skillbox_local import state
from skillbox_local.data_dir import DataDir
from skillbox_local.errors import LocalError
from skillbox_local.options import Options
from skillbox_local.state import State

_INTERVAL_S = 0.05
_STOP_S = 60.0


def start_detached(options: Options) -> State:
    """Starts a supervisor in the background and waits until it serves.

    Raises:
        LocalError: It could not start; the text is the supervisor's own report.
    """
    data = DataDir(options.data_dir)
    data.create()
    with data.locked():
        data.supervisor_log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "skillbox_local"]
    for name, value in asdict(options).items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with data.supervisor_log.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    try:
        while process.poll() is None:
            current = state.read(data.state)
            if current and current.pid == process.pid and current.phase == "running":
                return current
            time.sleep(_INTERVAL_S)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    raise LocalError(data.supervisor_log.read_text(errors="replace").strip())


def status(data_dir: Path) -> State | None:
    """Returns the state of the stack in `data_dir`; None when none runs."""
    data = DataDir(data_dir)
    current = state.read(data.state)
    return current if current and current.pid == data.holder() else None


def stop(data_dir: Path) -> bool:
    """Ends the stack and waits until it has ended.

    Returns:
        Whether one was running.

    Raises:
        LocalError: It does not end, or belongs to another user.
    """
    data = DataDir(data_dir)
    pid = data.holder()
    if pid is None:
        return False
    try:
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise LocalError(f"the supervisor (pid {pid}) belongs to another user") from error
    ended, _, _ = select.select([process], [], [], _STOP_S)
    os.close(process)
    if not ended:
        raise LocalError(f"the supervisor (pid {pid}) does not end; see {data.logs}")
    return True
