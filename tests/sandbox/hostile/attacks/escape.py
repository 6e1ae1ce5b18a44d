"""Attacks on the kernel and on the walls of the box."""

import platform

from tests.sandbox.hostile.attack import BASH, GVISOR, NODE, PYTHON, RUNC, Attack

# By their numbers, because the C library has no names for most.
_X86_64 = """
    mount=165 umount2=166 pivot_root=155 chroot=161 setns=308 swapon=167 acct=163 open_tree=428
    move_mount=429 fsopen=430 mount_setattr=442 open_by_handle_at=304 init_module=175
    finit_module=313 delete_module=176 kexec_load=246 reboot=169 settimeofday=164
    clock_settime=227 sethostname=170 setdomainname=171 iopl=172 ioperm=173 syslog=103
    quotactl=179 fanotify_init=300 vhangup=153 bpf=321 perf_event_open=298 userfaultfd=323
    io_uring_setup=425 add_key=248 request_key=249 keyctl=250 kcmp=312 lookup_dcookie=212
"""
_AARCH64 = "mount=40 umount2=39 chroot=51 setns=268 bpf=280 userfaultfd=282 keyctl=219"
_OWN = "of gVisor's own kernel, not the host's"
_NUMBERS = dict(
    pair.split("=") for pair in (_X86_64 if platform.machine() == "x86_64" else _AARCH64).split()
)

ATTACKS = (
    Attack(
        "system calls of administrators",
        "mount, load code into the kernel, set the clock, join another namespace",
        {
            PYTHON: f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
none = ctypes.c_char_p(b"none")
try: here = os.open("/proc/self/ns/mnt", 0)
except OSError: here = -1
arguments = {{"mount": (none, ctypes.c_char_p(b"/tmp"), ctypes.c_char_p(b"tmpfs"), 0, 0),
    "umount2": (ctypes.c_char_p(b"/sandbox"), 2), "chroot": (ctypes.c_char_p(b"/tmp"),),
    "setns": (here, 0), "sethostname": (none, 4), "setdomainname": (none, 4),
    "iopl": (3,), "ioperm": (0, 1, 1), "syslog": (3, ctypes.create_string_buffer(64), 64),
    "fsopen": (ctypes.c_char_p(b"tmpfs"), 0), "add_key": (ctypes.c_char_p(b"user"), none, none, 4, -3),
    "keyctl": (0, -3, 1), "io_uring_setup": (4, ctypes.create_string_buffer(256)),
    "perf_event_open": (ctypes.create_string_buffer(b"\\1\\0\\0\\0\\x70", 128), 0, -1, -1, 0),
    "bpf": (0, ctypes.create_string_buffer(b"\\2\\0\\0\\0\\4\\0\\0\\0\\4\\0\\0\\0\\1", 128), 128),
    "fanotify_init": (0, 0), "kcmp": (1, os.getpid(), 0, 0, 0),
    "open_tree": (-100, ctypes.c_char_p(b"/"), 1)}}
for name, number in {_NUMBERS}.items():
    given = [each if not isinstance(each, int) else ctypes.c_long(each)
             for each in arguments.get(name, (0, 0, 0, 0, 0))]
    if libc.syscall(ctypes.c_long(int(number)), *given) >= 0: print("BREACH", name)
print("tried")
""",
        },
        allowed={
            GVISOR: {"io_uring_setup": _OWN, "syslog": _OWN},
            RUNC: {
                "io_uring_setup": "the profile of Docker before 25; `kernel.io_uring_disabled=2` "
                "forbids it on any"
            },
        },
    ),
    Attack(
        "namespaces of its own",
        "become root in them, and mount",
        {
            PYTHON: """
import ctypes, os
libc = ctypes.CDLL(None)
for flag in (0x10000000, 0x10020000, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x20000000, 0x40000000):
    pid = os.fork()
    if pid == 0: os._exit(libc.unshare(flag) == 0)
    if os.waitpid(pid, 0)[1]: print("BREACH unshare")
print("tried")
""",
            BASH: "unshare -Ur true 2>/dev/null && echo BREACH unshare\n"
            "unshare -m true 2>/dev/null && echo BREACH unshare\necho tried",
        },
        allowed={GVISOR: {"unshare": _OWN}},
    ),
    Attack(
        "clone into new namespaces",
        "get past a filter of unshare",
        {
            PYTHON: """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
clone = 56 if platform.machine() == "x86_64" else 220
def child(name, number, *given):
    pid = libc.syscall(ctypes.c_long(number), *given)
    if pid == 0: os._exit(0)
    if pid > 0: os.waitpid(pid, 0); print("BREACH", name)
child("clone", clone, ctypes.c_long(0x10000000 | 17), 0, 0, 0, 0)
arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
child("clone3", 435, ctypes.byref(arguments), ctypes.c_long(88))
print("tried")
""",
        },
        allowed={GVISOR: {"clone": _OWN, "clone3": _OWN}},
    ),
    Attack(
        "programs with privileges",
        "become root by setuid",
        {
            PYTHON: """
import os, stat, subprocess
for name in ("setuid", "setgid", "setresuid", "setgroups"):
    try:
        getattr(os, name)(*{"setresuid": (0, 0, 0), "setgroups": ([0],)}.get(name, (0,)))
        print("BREACH", name)
    except OSError: pass
for folder in ("/bin", "/usr/bin", "/usr/sbin", "/usr/lib"):
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try: mode = os.stat(path).st_mode
        except OSError: continue
        if not stat.S_ISREG(mode) or not mode & (stat.S_ISUID | stat.S_ISGID): continue
        try: child = subprocess.Popen([path], stdin=-3, stdout=-3, stderr=-3)
        except OSError: continue
        try: ids = open(f"/proc/{child.pid}/status").read().split("Uid:")[1].split()[:4]
        except (OSError, IndexError): ids = ["65534"]
        if "0" in ids: print("BREACH", path, ids)
        child.kill(); child.wait()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd"):
    if int(status[name], 16): print("BREACH", name)
print("tried")
""",
            BASH: "su -c id root </dev/null 2>/dev/null && echo BREACH su\n"
            "mount -t tmpfs x /tmp 2>/dev/null && echo BREACH mount\n"
            "[ $(id -u) = 65534 ] || echo BREACH uid\necho tried",
            NODE: "for (const name of ['setuid', 'setgid', 'seteuid']) "
            "try { process[name](0); console.log('BREACH', name); } catch {}"
            "console.log('tried')",
        },
    ),
    Attack(
        "settings of the kernel",
        "change them for the host, or run a program there",
        {
            PYTHON: """
import glob, os
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
             "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/hostname", "/proc/sys/fs/binfmt_misc/register",
             "/sys/kernel/uevent_helper", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shmmax",
             "/proc/1/oom_score_adj", "/proc/mtrr", "/proc/irq/0/smp_affinity",
             *glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True),
             *glob.glob("/sys/fs/cgroup/**/*.max", recursive=True),
             *glob.glob("/sys/fs/cgroup/**/memory.limit_in_bytes", recursive=True),
             *glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)):
    try:
        with open(path, "r+b", buffering=0) as file: file.write(file.read(64) or b"0")
        print("BREACH", path)
    except (OSError, ValueError): pass
try: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"); print("BREACH oom_score_adj")
except OSError: pass
print("tried")
""",
            BASH: """
for path in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /sys/kernel/uevent_helper; do
  (echo x >$path) 2>/dev/null && echo BREACH $path
done
echo tried
""",
            NODE: """
for (const path of ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"])
  try { require("fs").writeFileSync(path, "x"); console.log("BREACH", path); } catch {}
console.log("tried");
""",
        },
        allowed={GVISOR: {"oom_score_adj": _OWN}},
    ),
    Attack(
        "devices",
        "read the host's memory or disk",
        {
            PYTHON: """
import os
for name in ("mem", "kmem", "port", "kmsg", "sda", "vda", "nvme0n1", "loop-control", "fuse", "kvm",
             "net/tun", "vhost-net", "input/event0", "dri/card0", "mapper/control", "userfaultfd"):
    try: os.open("/dev/" + name, os.O_RDONLY); print("BREACH", name)
    except OSError: pass
for folder in ("/tmp", "/sandbox", "/dev/shm"):
    for kind in (0o60666, 0o20666):
        for major, minor in ((8, 0), (254, 0), (1, 1)):
            try:
                os.mknod(folder + "/disk", kind, os.makedev(major, minor))
                os.open(folder + "/disk", os.O_RDONLY)
                print("BREACH", folder, major)
            except OSError: pass
print("tried")
""",
            BASH: "for d in mem kmsg sda vda; do [ -r /dev/$d ] && head -c 1 /dev/$d 2>/dev/null && "
            "echo BREACH $d; done; mknod /tmp/d b 254 0 2>/dev/null && echo BREACH mknod; echo tried",
        },
        allowed={GVISOR: {"fuse": _OWN, "net/tun": _OWN, "mknod": _OWN}},
    ),
    Attack(
        "files of the system",
        "change what is not its own",
        {
            PYTHON: """
import os
for folder, folders, names in os.walk("/"):
    if folder == "/": folders[:] = [f for f in folders if f not in ("proc", "sys", "sandbox", "tmp", "root")]
    if folder == "/dev": folders[:] = [f for f in folders if f not in ("shm", "mqueue", "pts")]
    try:
        os.close(os.open(folder + "/new", os.O_CREAT | os.O_WRONLY))
        print("BREACH", folder)
    except OSError: pass
for action in (lambda: os.remount, lambda: os.chmod("/etc/passwd", 0o777), lambda: os.link("/etc/passwd", "/tmp/p"),
               lambda: os.rename("/usr", "/usr2"), lambda: os.unlink("/etc/passwd"), lambda: os.chroot("/tmp")):
    try: action(); print("BREACH", action)
    except (OSError, AttributeError): pass
print("tried")
""",
            BASH: "for d in / /etc /usr /usr/bin /bin /var /opt /dev; do (: >$d/new) 2>/dev/null && "
            "echo BREACH $d; done; echo tried",
            NODE: "for (const d of ['/', '/etc', '/usr/bin', '/var']) try { "
            "require('fs').writeFileSync(d + '/new', ''); console.log('BREACH', d); } catch {}"
            "console.log('tried')",
        },
    ),
    Attack(
        "programs of its own",
        "run what it brought along",
        {
            PYTHON: """
import os, shutil, subprocess
for folder in ("/sandbox", "/tmp", "/root", "/dev/shm"):
    path = shutil.copy("/bin/true", folder + "/program")
    os.chmod(path, 0o755)
    try: subprocess.run([path]); print("BREACH", folder)
    except OSError: pass
print("tried")
""",
            NODE: """
const fs = require("fs"), { spawnSync } = require("child_process");
for (const folder of ["/sandbox", "/tmp", "/root", "/dev/shm"]) {
  fs.copyFileSync("/bin/true", folder + "/program");
  fs.chmodSync(folder + "/program", 0o755);
  if (!spawnSync(folder + "/program").error) console.log("BREACH", folder);
}
console.log("tried");
""",
            BASH: """
for folder in /sandbox /tmp /root /dev/shm; do
  cp /bin/true $folder/program; chmod 755 $folder/program
  $folder/program 2>/dev/null && echo BREACH $folder
done
echo tried
""",
        },
    ),
    Attack(
        "programs without a file",
        "run what it brought along, from memory",
        {
            PYTHON: """
import os, subprocess
try:
    memory = os.memfd_create("program", 0)
    os.write(memory, open("/bin/true", "rb").read())
    subprocess.run([f"/proc/self/fd/{memory}"], pass_fds=[memory])
    print("BREACH ran")
except OSError: pass
print("tried")
""",
        },
        allowed={
            RUNC: {"ran": "no more rights than its interpreter; Docker's profile allows it"},
            GVISOR: {"ran": "no more rights than its interpreter"},
        },
    ),
    Attack(
        "the walk out of the root",
        "see the host's files",
        {
            PYTHON: """
import os
root = os.stat("/")
for path in ("/../../../..", "/proc/1/root", "/proc/self/root/..", "/proc/self/cwd/../..", "/proc/1/cwd/.."):
    try:
        there = os.stat(path)
        if (there.st_dev, there.st_ino) != (root.st_dev, root.st_ino): print("BREACH", path)
    except OSError: pass
for path in ("/proc/kcore", "/proc/kallsyms", "/etc/shadow", "/proc/keys", "/sys/firmware/dmi"):
    try:
        content = open(path, "rb").read(4096) if not os.path.isdir(path) else os.listdir(path)
        if content and path != "/proc/kallsyms" or b"ffffffff" in content: print("BREACH", path)
    except OSError: pass
print("tried")
""",
        },
    ),
)
