"""PID 1 of a Python box: runs one skill in a fork of this very interpreter.

Protocol: skillbox_executor/sandbox/frames.py. Runs on Python 3.9 and later, uses the
standard library alone, and imports nothing once the skill's files are unpacked.

The fork is made before anything large is imported: it waits for the payload and becomes the
skill. What the two processes share, either has to copy as soon as it touches it.
"""

# pathlib would cost memory in every waiting box:
# ruff: noqa: PTH100, PTH101, PTH103, PTH110, PTH112, PTH114, PTH116, PTH120, PTH123, PTH208

import _signal as signal  # type: ignore[import-not-found] # `signal` takes longer than all else
import gc
import os
import select
import stat
import sys
import time
from _ctypes import call_function, dlopen, dlsym  # ctypes itself is slow to import
from _frozen_importlib_external import SourceFileLoader

TYPE_CHECKING = False  # as in `typing`, which is large
if TYPE_CHECKING:
    from _socket import socket

CHUNK = 256 * 1024
PAUSE_S = 0.001
TAR_TYPES = {
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
    stat.S_IFSOCK: b"6",  # tar knows no sockets
}


def frame(kind: bytes, data: bytes = b"") -> None:
    rest = memoryview(b"%b%010d%b" % (kind, len(data), data))
    while rest:
        rest = rest[os.write(1, rest) :]


def take(count: int) -> bytes:
    pieces = []
    while count:
        piece = os.read(0, min(count, CHUNK))
        if not piece:
            raise ValueError("stdin ended in the middle of a payload")
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def unpack(left: int) -> None:
    """Unpacks a tar of `left` bytes from stdin, which has regular files and folders only."""
    name = b""
    while left:
        head = take(512)
        left -= 512
        if not head.strip(b"\0"):
            while left:
                left -= len(take(min(left, CHUNK)))
            return
        size, kind = int(head[124:135], 8), head[156:157]
        padded = size + -size % 512
        left -= padded
        if left < 0:
            raise ValueError("an entry is longer than its tar")
        if kind == b"L":  # the next entry's name, as GNU writes one of over 100 bytes
            name = take(padded)[:size].rstrip(b"\0")
            continue
        name = name or head[:100].rstrip(b"\0")
        if kind == b"5":
            os.makedirs(name, exist_ok=True)
        elif kind == b"0":
            os.makedirs(os.path.dirname(name) or b".", exist_ok=True)
            with open(os.open(name, os.O_WRONLY | os.O_CREAT, int(head[100:107], 8)), "wb") as file:
                for position in range(0, size, CHUNK):
                    file.write(take(min(CHUNK, size - position)))
            take(padded - size)
        else:
            raise ValueError(f"unexpected type of tar entry: {kind!r}")
        name = b""


def tar_header(name: bytes, kind: bytes, size: int = 0, mode: int = 0, mtime: int = 0) -> bytes:
    prefix = b""
    if len(name) > 100:
        prefix = tar_header(b"././@LongLink", b"L", len(name)) + name + bytes(-len(name) % 512)
    ids = b"0000000\0" * 2
    head = name[:100].ljust(100, b"\0") + b"%07o\0%b%011o\0%011o\0" % (mode, ids, size, mtime)
    tail = kind + bytes(100) + b"ustar  \0" + bytes(247)
    return prefix + head + b"%06o\0 " % (sum(head) + sum(tail) + 8 * 32) + tail


def send_result(max_files: int) -> bool:
    """Sends a tar of out/, output.json first. Tells whether something was left out."""
    complete = True
    pending = bytearray()

    def write(data: bytes) -> None:
        pending.extend(data)
        if len(pending) >= CHUNK:
            frame(b"r", bytes(pending))
            pending.clear()

    names = []
    if os.path.isdir(b"out") and not os.path.islink(b"out"):
        os.chmod(b"out", 0o700)
        names = os.listdir(b"out")
    names.sort(key=b"output.json".__eq__)
    while names:
        name = names.pop()
        path = b"out/" + name
        is_output = name == b"output.json"
        try:
            info = os.lstat(path)
            mode, kind = stat.S_IMODE(info.st_mode), stat.S_IFMT(info.st_mode)
            mtime = min(max(0, int(info.st_mtime)), 8**11 - 1)
            if kind == stat.S_IFREG:
                max_files -= not is_output
                if max_files < 0 or info.st_size >= 8**11:
                    complete = False
                    continue
                os.chmod(path, 0o600)
                file = open(path, "rb", buffering=0)  # noqa: SIM115 (errors of writing are others')
            elif kind == stat.S_IFDIR and not is_output:
                os.chmod(path, 0o700)
                names += [name + b"/" + child for child in os.listdir(path)]
        except OSError:
            complete = False
            continue
        if kind == stat.S_IFREG:
            write(tar_header(name, b"0", info.st_size, mode, mtime))
            with file:
                while data := file.read(CHUNK):
                    write(data)
            write(bytes(-info.st_size % 512))
        elif kind == stat.S_IFDIR or is_output:
            write(tar_header(name, TAR_TYPES[kind], 0, mode, mtime))
    frame(b"r", bytes(pending) + bytes(1024))
    return not complete


def without_hosts() -> bool:
    """Tells whether the engine made no /etc/hosts, which it does for a box without any network.

    It had better be without one.
    """
    if os.path.exists("/etc/hosts") and os.stat("/etc/hosts").st_size:
        return False
    with open("/proc/net/route") as routes:
        if len(routes.readlines()) > 1:
            raise RuntimeError("the box has a network")
    return True


def answer(query: bytes) -> bytes:
    """Answers a DNS query: localhost is 127.0.0.1, and nothing is known of other names."""
    end = query.index(0, 12) + 5
    name, kind = query[12 : end - 4], query[end - 4 : end]
    known = name.lower() == b"\tlocalhost\0"
    found = known and kind == b"\0\1\0\1"  # its IPv4 address in the internet
    head = b"\x81\x80" if known else b"\x81\x85"  # no error, or refused
    address = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if found else b""
    counts = b"\0\1\0%b\0\0\0\0" % (b"\1" if found else b"\0")
    return query[:2] + head + counts + query[12:end] + address


def name_server() -> "socket":
    """Returns the socket to which a box without /etc/hosts sends its questions for localhost."""
    import _socket  # noqa: PLC0415 (`socket` is larger, and most boxes need neither)

    server = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM, 0)
    server.setblocking(False)
    try:  # noqa: SIM105 (contextlib is large)
        server.bind(("127.0.0.1", 53))
    except OSError:
        pass  # an engine that keeps low ports for root: there a skill has to say 127.0.0.1
    return server


def supervise(skill: int, pipes: "dict[int, bytes]", names: "socket | None") -> int:
    """Relays what the skill prints and returns its wait status when nothing of it is left.

    Fails as soon as the executor hangs up: with PID 1 the kernel ends the whole box.
    """
    ended = []

    def reap(options: int = 0) -> None:
        try:
            while True:
                pid, status = os.waitpid(-1, options)
                if pid == 0:
                    return
                if pid == skill:
                    ended.append(status)
                    # Whatever the skill left behind dies now, which also closes the pipes.
                    os.kill(-1, signal.SIGKILL)
        except OSError:  # nothing left to wait for, or to kill
            pass

    signal.signal(signal.SIGCHLD, lambda *_: reap(os.WNOHANG))
    reap(os.WNOHANG)  # it may have ended before the handler was there
    poll = select.poll()
    for pipe in (0, *pipes):
        poll.register(pipe, select.POLLIN)
    if names:
        poll.register(names, select.POLLIN)
    last = 0.0
    while pipes:
        for pipe, _ in poll.poll():
            if pipe == 0:
                raise ValueError("stdin ended, or went on, while the skill ran")
            if names and pipe == names.fileno():
                try:
                    query, client = names.recvfrom(512)
                    names.sendto(answer(query), client)
                except (OSError, ValueError):
                    pass  # it may be anything, from anybody in the box
                continue
            data = os.read(pipe, CHUNK)
            if data:
                frame(pipes[pipe], data)
            else:
                poll.unregister(pipe)
                del pipes[pipe]
        # Who prints without a pause gets longer frames, not thousands of them per second.
        if pipes and time.monotonic() - last < PAUSE_S:
            time.sleep(PAUSE_S)
        last = time.monotonic()
    reap()
    return ended[0]


def become_skill(out: int, err: int, tell: int) -> str:
    """Waits for the payload, then makes this process look like `python3 SCRIPT ARG…`.

    Returns:
        The script's path.
    """
    import json  # noqa: PLC0415 (not in PID 1; most skills use it, and what it imports)

    compile("", "", "exec")  # the first time takes long
    os.setsid()
    set_dumpable(True)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # out of memory, the skill dies, not the runner that reports it
    # What is here now stays: collecting it, most of all at the skill's end, is wasted time.
    gc.freeze()
    gc.enable()
    frame(b"h")
    header = json.loads(take(int(take(10))))
    if header["protocol"] != 1:
        raise ValueError("unknown protocol")
    unpack(int(take(10)))
    os.makedirs("out/files", exist_ok=True)
    os.write(tell, b"%d" % header["limits"]["files"])
    for target, source in enumerate((os.open("/dev/null", os.O_RDONLY), out, err)):
        os.dup2(source, target)
    os.closerange(3, 1024)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    argv, env = header["argv"], header["env"]
    os.environ.update({"PYTHONUNBUFFERED": "1", **env})
    time.tzset()
    script: str = os.path.abspath(argv[0])
    sys.argv, sys.orig_argv = argv, ["python3", *argv]
    more = env.get("PYTHONPATH", "")
    sys.path[:0] = [os.path.dirname(script), *(more.split(":") if more else ())]
    module = type(sys)("__main__")
    module.__file__ = script
    module.__loader__ = SourceFileLoader("__main__", script)
    vars(module).update(__builtins__=__builtins__, __annotations__={}, __cached__=None)
    sys.modules["__main__"] = module
    return script


def set_dumpable(dumpable: bool) -> None:
    """Says whether processes of the same user may trace this one and open its descriptors."""
    pr_set_dumpable = 4
    prctl = dlsym(dlopen(None, 0), "prctl")  # type: ignore[arg-type] # `None` is this program
    call_function(prctl, (pr_set_dumpable, int(dumpable), 0, 0, 0))


def main() -> str:
    """Runs the box. Returns only in the skill's process, and then the script's path."""
    gc.disable()
    if os.getpid() != 1:
        raise RuntimeError("the runner must be PID 1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_dumpable(False)
    sys.path.pop(0)  # the current directory, which is about to hold the skill's modules
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    told, tell = os.pipe()
    needs_names = without_hosts()
    skill = os.fork()
    if skill == 0:
        return become_skill(out_end, err_end, tell)
    for descriptor in (out_end, err_end, tell):
        os.close(descriptor)
    names = name_server() if needs_names else None
    max_files = os.read(told, 20)
    if not max_files:
        os._exit(70)  # it has said why
    status = supervise(skill, {out: b"o", err: b"e"}, names)
    truncated = b"true" if send_result(int(max_files)) else b"false"
    code, number = b"null", b"null"
    if os.WIFEXITED(status):
        code = b"%d" % os.WEXITSTATUS(status)
    else:
        number = b"%d" % os.WTERMSIG(status)
    end = b'{"exit_code": %b, "signal": %b, "truncated": %b}' % (code, number, truncated)
    frame(b"x", end)
    os._exit(0)


if __name__ == "__main__":
    try:
        script = main()
    except Exception as fault:
        print("runner:", repr(fault), file=sys.stderr)
        os._exit(70)
    try:
        with open(script, "rb") as source:
            code = compile(source.read(), script, "exec", dont_inherit=True)
        exec(code, vars(sys.modules["__main__"]))  # noqa: S102 (this is the job)
    except SystemExit:
        raise
    except BaseException:
        # The traceback begins with this frame, which is not the skill's.
        show = sys.excepthook
        sys.excepthook = lambda kind, error, trace: show(
            kind, error.with_traceback(trace and trace.tb_next), trace and trace.tb_next
        )
        raise
