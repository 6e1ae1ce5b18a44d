"""Attacks on what all boxes share: processes, processors, memory, disk, descriptors."""

from dataclasses import replace

from tests.sandbox.hostile.attack import (
    ARTIFACT_LIMIT,
    BASH,
    ENGINE_LOST,
    EXIT_CODE,
    GVISOR,
    LIMITS,
    MIB,
    NODE,
    OUT_OF_MEMORY,
    PYTHON,
    SUCCESS,
    TIME_LIMIT,
    Attack,
)

ROOMY = replace(LIMITS, memory_bytes=384 * MIB)
TIGHT = replace(LIMITS, memory_bytes=80 * MIB, sandbox_bytes=128 * MIB)

ATTACKS = (
    Attack(
        "fork bomb",
        "take every process of the host",
        {
            PYTHON: """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
            NODE: """
const { spawn } = require("child_process");
const bomb = () => spawn("sh", ["-c", "b() { b & b; }; b"]).on("error", () => {});
setInterval(() => { for (let i = 0; i < 20; i++) bomb(); }, 10);
""",
            BASH: "b() { b & b; }; while :; do b; done",
        },
        end=TIME_LIMIT,
        # Without room, the helpers of the Bash runner may die, and then its skill of a broken pipe.
        elsewhere={
            GVISOR: (TIME_LIMIT, OUT_OF_MEMORY, ENGINE_LOST),
            BASH: (TIME_LIMIT, EXIT_CODE),
        },
        seconds=1.5,
    ),
    Attack(
        "fork bomb that outlives its parent",
        "go on after the run",
        {
            PYTHON: """
import os
if os.fork() == 0:
    os.setsid()
    while True:
        try: os.fork()
        except OSError: pass
print("tried")
""",
            BASH: "(setsid sh -c 'b() { b & b; }; b') & sleep 0.2; echo tried",
        },
        elsewhere={GVISOR: (SUCCESS, OUT_OF_MEMORY, ENGINE_LOST)},
    ),
    Attack(
        "thread bomb",
        "take every thread of the host",
        {
            PYTHON: """
import threading, time
threading.stack_size(65536)
count = 0
try:
    while count < 200:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except (RuntimeError, MemoryError): pass
if count >= 200: print("BREACH", count, "threads")
print("tried", flush=True)
import os; os._exit(0)
""",
        },
        allowed={GVISOR: {"200 threads": "threads of its own kernel; the host's count"}},
    ),
    Attack(
        "processor spin",
        "run for ever",
        {
            PYTHON: "while True: pass",
            NODE: "for (;;);",
            BASH: "while :; do :; done",
        },
        end=TIME_LIMIT,
        seconds=0.7,
    ),
    Attack(
        "sleep that ignores every signal",
        "run for ever",
        {
            PYTHON: """
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: time.sleep(60)
""",
            NODE: """
for (const name of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]) process.on(name, () => {});
setInterval(() => {}, 60000);
""",
            BASH: "trap '' TERM INT HUP QUIT; while :; do sleep 60; done",
        },
        end=TIME_LIMIT,
        seconds=0.7,
    ),
    Attack(
        "memory bomb",
        "take the host's memory",
        {
            PYTHON: "x = []\nwhile True: x.append(bytearray(1 << 20))",
            NODE: "const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1));",
            BASH: "x=$(head -c 400000000 /dev/zero | tr '\\0' x)",
        },
        end=OUT_OF_MEMORY,
        # With gVisor's kernel dies who should have told the engine.
        elsewhere={GVISOR: (OUT_OF_MEMORY, ENGINE_LOST)},
    ),
    Attack(
        "memory bomb in many processes",
        "take the host's memory in parts that are small enough",
        {
            PYTHON: """
import os, time
for _ in range(12):
    if os.fork() == 0:
        x = bytearray(24 << 20)
        for at in range(0, len(x), 4096): x[at] = 1
        time.sleep(30)
        os._exit(0)
failed = 0
for _ in range(12): failed |= os.wait()[1]
raise SystemExit(bool(failed))
""",
        },
        end=(OUT_OF_MEMORY, TIME_LIMIT),
        elsewhere={GVISOR: (OUT_OF_MEMORY, ENGINE_LOST, TIME_LIMIT)},
        seconds=3,
    ),
    Attack(
        "locked memory",
        "take memory that cannot be swapped out",
        {
            PYTHON: """
import ctypes
ctypes.CDLL(None).mlockall(3)
x = []
while True: x.append(bytearray(1 << 20))
""",
        },
        end=OUT_OF_MEMORY,
        elsewhere={GVISOR: (OUT_OF_MEMORY, ENGINE_LOST)},
    ),
    Attack(
        "memory as files",
        "take memory that no process has",
        {
            PYTHON: """
for number in range(120):
    with open(f"/sandbox/{number}", "wb") as file: file.write(bytes(1 << 20))
""",
            BASH: "head -c 120000000 /dev/zero >/sandbox/x",
        },
        end=OUT_OF_MEMORY,
        elsewhere={GVISOR: (OUT_OF_MEMORY, ENGINE_LOST)},
        limits=TIGHT,
    ),
    Attack(
        "filling every writable place",
        "fill the host's disk",
        {
            PYTHON: """
total = 0
for folder in ("/sandbox", "/tmp", "/root", "/dev/shm", "/var/tmp", "/run", "/dev", "/etc"):
    try:
        with open(folder + "/fill", "wb", buffering=0) as file:
            while True: total += file.write(bytes(1 << 18))
    except OSError: pass
if total > 100 << 20: print("BREACH", total, "bytes")
print("tried")
""",
            BASH: """
for folder in /sandbox /tmp /root /dev/shm /var/tmp /run /dev /etc; do
  head -c 200000000 /dev/zero >$folder/fill
done 2>/dev/null
rm /sandbox/fill /tmp/fill /root/fill /dev/shm/fill  # of which the runner needs some
echo tried
""",
        },
        limits=ROOMY,
    ),
    Attack(
        "a file of 1 TB with holes",
        "make the Executor store it",
        {
            PYTHON: "open('out/files/x', 'wb').truncate(1 << 40)",
            NODE: "require('fs').truncateSync(require('fs').openSync('out/files/x', 'w'), 2 ** 40)",
            BASH: "truncate -s 1T out/files/x",
        },
        end=ARTIFACT_LIMIT,
    ),
    Attack(
        "a file of 4 GB with holes",
        "make the Executor store it",
        {
            PYTHON: "open('out/files/x', 'wb').truncate(4 << 30)",
            NODE: "require('fs').truncateSync(require('fs').openSync('out/files/x', 'w'), 2 ** 32)",
            BASH: "truncate -s 4G out/files/x",
        },
        end=ARTIFACT_LIMIT,
    ),
    Attack(
        "100,000 files",
        "exhaust the Executor with entries",
        {
            PYTHON: """
import os
os.chdir("out/files")
try:
    for number in range(100_000): os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))
except OSError: pass
""",
        },
        end=ARTIFACT_LIMIT,
        limits=ROOMY,
    ),
    Attack(
        "1,000,000 lines of log",
        "exhaust the Executor with events",
        {
            PYTHON: "for _ in range(10): print('x\\n' * 100_000, end='')\nprint('tried')",
            NODE: "for (let i = 0; i < 10; i++) process.stdout.write('x\\n'.repeat(1e5));"
            "process.stdout.write('tried\\n')",
            BASH: "yes | head -n 1000000; echo tried",
        },
    ),
    Attack(
        "one line of 100 MB",
        "make the Executor hold a line",
        {
            PYTHON: """
import sys
for _ in range(100): sys.stdout.write("x" * 1_000_000)
print("\\ntried")
""",
        },
    ),
    Attack(
        "endless output",
        "print for ever",
        {
            PYTHON: "while True: print('x' * 1000)",
            NODE: "const fs = require('fs'); for (;;) fs.writeSync(1, 'x'.repeat(1000) + '\\n');",
            BASH: "yes; yes; yes",
        },
        end=TIME_LIMIT,
        seconds=0.7,
    ),
    Attack(
        "every descriptor",
        "take the host's files, pipes, watches and timers",
        {
            PYTHON: """
import ctypes, os, select
libc, made = ctypes.CDLL(None), 0
for make in (os.pipe, select.epoll, lambda: libc.inotify_init1(0), lambda: libc.eventfd(0, 0),
             lambda: libc.timerfd_create(1, 0), lambda: os.open("/dev/null", 0)):
    kept = []
    try:
        while len(kept) < 5000:
            result = make()
            if result == -1: break
            kept.append(result)
    except OSError: pass
    for each in kept:
        if isinstance(each, tuple): [os.close(end) for end in each]
        elif isinstance(each, int): os.close(each)
        else: each.close()
    made = max(made, len(kept))
if made >= 5000: print("BREACH", made)
print("tried")
""",
        },
    ),
    Attack(
        "closing every descriptor",
        "break the run from inside",
        {
            PYTHON: "import os; print('tried', flush=True); os.closerange(0, 65536); os._exit(0)",
            NODE: "console.log('tried'); for (let i = 0; i < 3; i++) require('fs').closeSync(i);"
            "setTimeout(() => {}, 50)",
            BASH: "echo tried; exec 0<&- 1>&- 2>&-; sleep 0.1",
        },
    ),
)
