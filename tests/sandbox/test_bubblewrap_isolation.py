"""What a hostile skill in a bubblewrap box can reach."""

import json
import platform
import signal
import socket
from pathlib import Path

import pyseccomp
import pytest

from skillbox_executor.sandbox.interface import Language
from tests.sandbox.skills import Bench

pytestmark = pytest.mark.bubblewrap

PYTHON = Language.PYTHON

ABSENT = {
    # What would open a way out, or is kernel surface that no skill needs.
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "clone3", "open_tree"),
    *("move_mount", "fsopen", "fsmount", "mount_setattr", "swapon", "acct", "quotactl"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"),
    *("keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create", "memfd_secret"),
    *("open_by_handle_at", "name_to_handle_at", "kexec_load", "init_module", "finit_module"),
    *("delete_module", "reboot", "settimeofday", "clock_settime", "sethostname", "syslog"),
    *("vhangup", "lookup_dcookie", "nfsservctl", "mbind", "move_pages"),
}

CALLS = """
import ctypes, errno, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    if libc.syscall(number, *(ctypes.c_long(arg) for arg in args)) == -1:
        return errno.errorcode[ctypes.get_errno()]
    return "done"
"""

TRY = """
import errno, json, os, socket
def attempt(action):
    try:
        return action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
"""


def number(name: str) -> int:
    found = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    assert isinstance(found, int)
    return found


async def test_dangerous_system_calls_do_not_exist(bubblewrap_bench: Bench) -> None:
    numbers = {name: number(name) for name in ABSENT}
    script = CALLS + (
        "numbers = json.loads(sys.argv[1])\n"
        "print(json.dumps({name: call(number, 0, 0, 0, 0) for name, number in numbers.items()}))"
    )
    ran = await bubblewrap_bench.run(PYTHON, script, json.dumps(numbers))
    assert json.loads(ran.ok()) == dict.fromkeys(ABSENT, "ENOSYS")


@pytest.mark.parametrize(
    "arguments",
    [
        ("clone", 0x10000000 | signal.SIGCHLD),  # CLONE_NEWUSER
        ("clone", 0x00020000 | signal.SIGCHLD),  # CLONE_NEWNS
        ("socket", socket.AF_PACKET, socket.SOCK_RAW),
        ("socket", 38, socket.SOCK_SEQPACKET),  # AF_ALG
        ("socket", 40, socket.SOCK_STREAM),  # AF_VSOCK
        ("socket", socket.AF_NETLINK, socket.SOCK_RAW, 12),  # netfilter
        ("personality", 0x0040000),  # ADDR_NO_RANDOMIZE
    ],
)
async def test_dangerous_arguments_are_refused(
    bubblewrap_bench: Bench, arguments: tuple[str, *tuple[int, ...]]
) -> None:
    name, *values = arguments
    script = CALLS + f"print(call({number(name)}, *{[int(value) for value in values]}, 0, 0, 0))"
    assert (await bubblewrap_bench.run(PYTHON, script)).ok() == "ENOSYS\n"


async def test_nothing_can_be_typed_into_a_terminal(bubblewrap_bench: Bench) -> None:
    script = CALLS + (
        "main, other = os.openpty()\n"
        "letter = ctypes.c_char(b'x')\n"
        "for request in (0x5412, 0x5412 | 1 << 32):\n"  # the kernel ignores the upper half
        f"    print(call({number('ioctl')}, other, request, ctypes.addressof(letter)))\n"
    )
    assert (await bubblewrap_bench.run(PYTHON, script)).ok() == "EPERM\nEPERM\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs the ABIs of an x86-64")
@pytest.mark.parametrize(
    "script",
    [
        CALLS + "call(0x40000000 | 39)",  # x32
        # mov eax, 20; int 0x80; ret
        "import ctypes, mmap\n"
        "code = mmap.mmap(-1, 4096, prot=7)\n"
        "code.write(bytes.fromhex('b814000000cd80c3'))\n"
        "place = ctypes.addressof(ctypes.c_char.from_buffer(code))\n"
        "ctypes.CFUNCTYPE(ctypes.c_int)(place)()",
    ],
    ids=["x32", "i386"],
)
async def test_foreign_abis_kill(bubblewrap_bench: Bench, script: str) -> None:
    assert (await bubblewrap_bench.run(PYTHON, script)).end.signal == signal.SIGSYS


async def test_ordinary_programs_work_under_the_filter(bubblewrap_bench: Bench) -> None:
    script = """
import ctypes, multiprocessing, os, socket, subprocess, tempfile, threading
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
print(subprocess.run(["bash", "-c", "echo $((40 + 2)) | cat"], capture_output=True).stdout)
with socket.create_server(("127.0.0.1", 0)) as server:
    client = socket.create_connection(server.getsockname()); client.close()
print([name for _, name in socket.if_nameindex()])
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(abs, [-1]))
print(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)())
tempfile.TemporaryFile().close()
os.mkfifo("/tmp/fifo")
"""
    printed = (await bubblewrap_bench.run(PYTHON, script)).ok()
    assert printed.splitlines() == ["thread", "b'42\\n'", "['lo']", "[1]", "7"]


async def test_there_is_no_network(bubblewrap_bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        addresses = [
            server.getsockname(),  # a service of the host
            ("169.254.169.254", 80),
            ("8.8.8.8", 53),
        ]
        script = (
            TRY
            + f"""
for address in {addresses}:
    print(attempt(lambda: socket.create_connection(address, 1)))
print(attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)))
print(attempt(lambda: socket.getaddrinfo("example.com", 80)))
"""
        )
        lines = (await bubblewrap_bench.run(PYTHON, script)).ok().splitlines()
    assert lines[:4] == ["ECONNREFUSED", "ENETUNREACH", "ENETUNREACH", "EPERM"]
    assert lines[4].startswith("[Errno -3]")


async def test_the_host_is_invisible(bubblewrap_bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    script = (
        TRY
        + f"""
print(sorted(os.listdir("/")), sorted(os.listdir("/etc")))
for path in ({str(tmp_path)!r}, "/etc/shadow", "/etc/hostname", "/home", "/var", "/run", "/sys",
             {str(Path(__file__).parents[2])!r}, "/dev/kmsg", "/dev/mem", "/dev/vda"):
    print(path, attempt(lambda: os.stat(path)))
print([pid for pid in os.listdir("/proc") if pid.isdigit()])
print(os.uname().nodename, os.listdir("/tmp"), os.listdir("/root"), os.listdir("/dev/shm"))
print(attempt(lambda: open("/proc/keys").read()), attempt(lambda: os.readlink("/proc/1/root")))
print(sorted(os.environ))
"""
    )
    lines = (await bubblewrap_bench.run(PYTHON, script)).ok().splitlines()
    root, etc = lines[0].split("] ")
    assert set(json.loads(root.replace("'", '"') + "]")) <= {
        *("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "root"),
        *("sandbox", "sbin", "tmp", "usr"),
    }
    assert set(json.loads(etc.replace("'", '"'))) <= {
        *("alternatives", "group", "hosts", "ld.so.cache", "localtime", "passwd"),
    }
    assert [line.rpartition(" ")[2] for line in lines[1:12]] == ["ENOENT"] * 11
    assert lines[12] == "['1', '2']"
    assert lines[13] == "sandbox [] [] []"
    assert lines[14] == "EACCES EACCES"
    assert lines[15] == str(sorted(["HOME", "LANG", "PATH", "PWD", "PYTHONUNBUFFERED"]))


async def test_only_the_tmpfs_can_be_written(bubblewrap_bench: Bench) -> None:
    script = """
import os, stat
for folder, folders, files in os.walk("/"):
    if folder.startswith("/proc/") and folder.split("/")[2].isdigit():
        folders.clear()  # one's own
        continue
    try:
        os.close(os.open(folder + "/new", os.O_CREAT | os.O_WRONLY))
        print(folder)
    except OSError:
        pass
    for path in [] if folder.startswith("/usr") else [f"{folder}/{name}" for name in files]:
        if not os.path.islink(path) and os.access(path, os.W_OK):
            if not stat.S_ISCHR(os.stat(path).st_mode):
                print(path)
"""
    found = set((await bubblewrap_bench.run(PYTHON, script)).ok().split())
    # A reader of how busy the machine is writes there when it wants to be told.
    pressure = {f"/proc/pressure/{what}" for what in ("cpu", "io", "irq", "memory")}
    assert found - pressure == {
        *("/dev/shm", "/root", "/tmp", "/sandbox", "/sandbox/input.json", "/sandbox/scripts"),
        "/sandbox/scripts/main.py",
        *("/sandbox/out", "/sandbox/out/files"),
    }


async def test_nothing_that_was_written_can_be_executed(bubblewrap_bench: Bench) -> None:
    script = (
        TRY
        + """
import shutil, subprocess
for folder in ("/sandbox", "/tmp", "/root", "/dev/shm"):
    copy = shutil.copy("/usr/bin/true", folder)
    print(attempt(lambda: subprocess.run([copy])))
    loader = next(line.split()[-1] for line in open("/proc/self/maps") if "/ld-" in line)
    print(subprocess.run([loader, copy], stderr=subprocess.DEVNULL).returncode)
"""
    )
    assert (await bubblewrap_bench.run(PYTHON, script)).ok().splitlines() == ["EACCES", "127"] * 4


async def test_no_privilege_can_be_gained(bubblewrap_bench: Bench) -> None:
    script = (
        TRY
        + """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print([status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")])
print(status["NoNewPrivs"].strip(), status["Uid"].split(), status["Gid"].split())
print(os.getgroups(), bool(os.statvfs("/usr").f_flag & os.ST_NOSUID))
print(attempt(lambda: os.setuid(0)), attempt(lambda: os.setgroups([0])))
print(attempt(lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(254, 0))))
print(attempt(lambda: os.kill(1, 9)), open("/proc/1/stat").read().split()[0])
print(open("/proc/self/uid_map").read().split())
"""
    )
    lines = (await bubblewrap_bench.run(PYTHON, script)).ok().splitlines()
    assert lines[0] == str(["0000000000000000"] * 5)
    assert lines[1] == f"1 {['65534'] * 4} {['65534'] * 4}"
    assert lines[2] == "[] True"
    assert lines[3] == "EINVAL EPERM"
    assert lines[4] == "EPERM"
    assert lines[5] == "None 1"
