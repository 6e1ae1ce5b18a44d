"""The process that starts boxes: forks, mounts a box's writable places, becomes bubblewrap.

Runs by itself, on the standard library alone, so that it is small: to fork the Executor, or to
start a program for each step, costs more than bubblewrap does. bubblewrap cannot make a tmpfs
noexec. So they are mounted outside, and it binds them into the box: an outer mount's flags cannot
be taken off from inside.

Its mount namespace has only what boxes are made of, because bubblewrap reads the whole table of
mounts again for each of its own.

Its stdin is a socket. A request is JSON, and the descriptors that the new process has from 0 on;
the answer is a handle to the process, or what went wrong. When the other end is closed it ends,
and all boxes with it.
"""

# Paths come from a trusted process, and pathlib would make this one larger:
# ruff: noqa: PTH103, PTH123

import ctypes
import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

MAX_MESSAGE = 128 * 1024
MAX_DESCRIPTORS = 32
STAGE = "/sys"
"""Where tmpfs are mounted: a folder that every host has, and bubblewrap has no use for."""

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MS_NO_PROGRAMS = 0x2 | 0x4 | 0x8  # nosuid, nodev, noexec
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (*[ctypes.c_char_p] * 3, ctypes.c_ulong, ctypes.c_char_p)


def _call(function: Callable[..., int], *arguments: "str | int | None") -> None:
    encoded = (os.fsencode(each) if isinstance(each, str) else each for each in arguments)
    if function(*encoded) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


def _tmpfs(path: str, options: str) -> None:
    os.makedirs(path, exist_ok=True)
    _call(_libc.mount, "skillbox", path, "tmpfs", _MS_NO_PROGRAMS, options)


def _set_up(needed: Sequence[str]) -> None:
    """Enters a namespace, in which an ordinary user is root, and makes the stage."""
    user, group = os.geteuid(), os.getegid()
    _call(_libc.unshare, _CLONE_NEWNS | (_CLONE_NEWUSER if user else 0))
    if user:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {user} 1")
        _write("/proc/self/gid_map", f"0 {group} 1")
    _call(_libc.mount, None, "/", None, _MS_REC | _MS_PRIVATE, None)
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file]
    for point in reversed(points):
        if not any(_holds(point, path) or _holds(path, point) for path in needed):
            # Refused to ordinary users, whose boxes then take longer to start.
            _libc.umount2(os.fsencode(point), _MNT_DETACH)
    _tmpfs(STAGE, "mode=0755,size=64k")


def _holds(folder: str, path: str) -> bool:
    return f"{path}/".startswith(folder.rstrip("/") + "/")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _become(request: Any, descriptors: Sequence[int]) -> None:
    """Makes this process what the request says."""
    for changed in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        # By us, by Python, or by whatever started the Executor.
        signal.signal(changed, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.setsid()
    # First out of the way of each other.
    away = [fcntl.fcntl(each, fcntl.F_DUPFD, MAX_DESCRIPTORS) for each in descriptors]
    for number, descriptor in enumerate(away):
        os.dup2(descriptor, number)
    # Most of all the socket must not come into a box. It is closed by dup2; this is to be sure.
    os.closerange(len(away), os.sysconf("SC_OPEN_MAX"))
    _call(_libc.unshare, _CLONE_NEWNS)
    for path, options in request["tmpfs"].items():
        _tmpfs(path, options)
    for path, source in request["bind"].items():
        os.makedirs(path, exist_ok=True)
        _call(_libc.mount, source, path, None, _MS_BIND, None)
    if user := request["user"]:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    os.execve(request["program"], request["argv"], request["environment"])  # noqa: S606 (its job)


def _reap(*_: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _start(request: Any, descriptors: Sequence[int]) -> int:
    """Returns a handle to a new process."""
    # Not reaped, however soon it ends, before there is the handle.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        child = os.fork()
        if child == 0:
            try:
                _become(request, descriptors)
            except BaseException as error:
                os.write(2, f"{error}\n".encode())
                os._exit(1)
        return os.pidfd_open(child)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _serve(control: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        message, descriptors, _, _ = socket.recv_fds(
            control, MAX_MESSAGE, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        if not message:
            return
        try:
            handle = _start(json.loads(message), descriptors)
            socket.send_fds(control, [b"started"], [handle])
            os.close(handle)
        except OSError as error:
            control.send(str(error).encode())
        finally:
            for each in descriptors:
                os.close(each)


def main() -> None:
    """Takes the paths that boxes are made of."""
    control = socket.socket(fileno=0)
    # The Executor may go before others, its boxes may not.
    os.setpriority(os.PRIO_PROCESS, 0, max(0, os.getpriority(os.PRIO_PROCESS, 0)))
    try:
        _set_up(sys.argv[1:])
    except OSError as error:
        control.send(str(error).encode())
        raise
    _serve(control)


if __name__ == "__main__":
    main()
