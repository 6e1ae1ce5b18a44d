"""Attacks on PID 1 of the box, on its streams, and on how a run ends."""

from tests.sandbox.hostile.attack import (
    BASH,
    ENGINE_LOST,
    EXIT_CODE,
    GVISOR,
    NODE,
    PYTHON,
    RUNNER_FAULT,
    SIGNAL,
    SUCCESS,
    TIME_LIMIT,
    Attack,
)

_SIGNALS = "for s in HUP INT QUIT KILL USR1 USR2 PIPE ALRM TERM STOP TSTP CHLD; do kill -$s 1; done"
_OWN = "the runner of its own box, whose every word is checked"
_END = 'x0000000047{"exit_code":0,"signal":null,"truncated":false}'

ATTACKS = (
    Attack(
        "killing PID 1",
        "end the box without an end",
        {
            PYTHON: f"import os; os.system({_SIGNALS!r}); print('tried')",
            NODE: f"require('child_process').execSync({_SIGNALS!r}); console.log('tried')",
            BASH: f"{{ {_SIGNALS}; }} 2>/dev/null; echo tried",
        },
        # gVisor lets a signal through that PID 1 does not handle.
        elsewhere={GVISOR: (SUCCESS, ENGINE_LOST)},
    ),
    Attack(
        "killing all there is",
        "end the box without an end",
        {
            PYTHON: "import os\nos.fork()\nos.kill(-1, 9)\nprint('tried')",
            NODE: "require('child_process').spawn('sleep', ['60']); process.kill(-1, 'SIGKILL')",
            BASH: "sleep 60 & kill -9 -1; exit 0",
        },
        end=(SUCCESS, SIGNAL, EXIT_CODE),
    ),
    Attack(
        "stopping all there is",
        "hold the box for ever",
        {
            PYTHON: "import os; os.fork(); os.kill(-1, 19); os.kill(os.getpid(), 19)",
            NODE: "try { process.kill(-1, 'SIGSTOP'); } catch {}; process.kill(process.pid, 'SIGSTOP')",
            BASH: "kill -STOP -1; kill -STOP $$",
        },
        end=TIME_LIMIT,
        seconds=0.7,
    ),
    Attack(
        "a kill of itself",
        "end without an exit code",
        {
            PYTHON: "import os; os.kill(os.getpid(), 9)",
            NODE: "process.kill(process.pid, 'SIGKILL'); for (;;);",
            BASH: "kill -9 $$",
        },
        end=SIGNAL,
        elsewhere={BASH: EXIT_CODE},
    ),
    Attack(
        "a crash",
        "take the runner with it",
        {
            PYTHON: "import ctypes; ctypes.string_at(0)",
            NODE: "process.abort()",
            BASH: "kill -SEGV $$",
        },
        end=SIGNAL,
        elsewhere={BASH: EXIT_CODE},
    ),
    Attack(
        "an exit past all handlers",
        "leave the runner waiting",
        {
            PYTHON: "import os, threading, time\n"
            "threading.Thread(target=time.sleep, args=(60,)).start()\nos._exit(3)",
            NODE: "setInterval(() => {}, 1000); process.reallyExit(3)",
            BASH: "sleep 60 & disown; exec sh -c 'exit 3'",
        },
        end=EXIT_CODE,
    ),
    Attack(
        "a grandchild that holds the streams",
        "keep the run open",
        {
            PYTHON: """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (1, 2, 13, 15): signal.signal(number, signal.SIG_IGN)
        time.sleep(60)
        print("BREACH late")
    os._exit(0)
print("tried")
""",
            NODE: "require('child_process').spawn('sh', ['-c', 'trap \"\" TERM HUP; sleep 60'],"
            " {detached: true, stdio: 'inherit'}).unref(); console.log('tried')",
            BASH: "(trap '' TERM HUP; setsid sleep 60) & echo tried",
        },
    ),
    Attack(
        "frames in what it prints",
        "have them taken for the runner's",
        {
            PYTHON: f"import os; os.write(1, {_END!r}.encode()); raise SystemExit(3)",
            NODE: f"require('fs').writeSync(1, {_END!r}); process.exit(3)",
            BASH: f"printf %s '{_END}'; exit 3",
        },
        end=EXIT_CODE,
    ),
    Attack(
        "a forged end through PID 1's stdout",
        "speak as the runner",
        {
            PYTHON: f"""
try: open("/proc/1/fd/1", "w").write({_END!r}); print("BREACH spoke")
except OSError: pass
raise SystemExit(3)
""",
            NODE: f"try {{ require('fs').writeFileSync('/proc/1/fd/1', {_END!r}); }} catch {{}}"
            "setTimeout(() => process.exit(3), 100)",
            BASH: f"printf %s '{_END}' 2>/dev/null >/proc/1/fd/1; sleep 0.1; exit 3",
        },
        end=EXIT_CODE,
        # Where this works, a skill can lie about its own end, and about nothing else.
        allowed={GVISOR: {"spoke": _OWN}},
        elsewhere={
            GVISOR: (EXIT_CODE, SUCCESS, RUNNER_FAULT),
            NODE: (EXIT_CODE, SUCCESS, RUNNER_FAULT),
            BASH: (EXIT_CODE, SUCCESS),
        },
    ),
    Attack(
        "a frame of 10 GB through PID 1's stdout",
        "make the Executor hold it",
        {
            NODE: "try { require('fs').writeFileSync('/proc/1/fd/1', 'o9999999999xxxx'); } catch {}"
            "setTimeout(() => process.exit(3), 100)",
            BASH: "printf o9999999999 2>/dev/null >/proc/1/fd/1; sleep 0.1; exit 3",
        },
        end=(RUNNER_FAULT, EXIT_CODE),
    ),
    Attack(
        "tracing PID 1",
        "become the runner",
        {
            PYTHON: """
import ctypes, os
libc = ctypes.CDLL(None)
for request in (16, 0x4206):
    if libc.ptrace(request, 1, 0, 0) == 0: print("BREACH traced")
local, buffer = (ctypes.c_long * 2)(), ctypes.create_string_buffer(8)
local[:] = ctypes.addressof(buffer), 8
if libc.process_vm_readv(1, local, 1, local, 1, 0) > 0: print("BREACH read")
for name in ("mem", "environ", "maps", "fd/0", "fd/1"):
    try: open("/proc/1/" + name, "rb").read(1); print("BREACH", name)
    except OSError: pass
print("tried")
""",
        },
        # gVisor does not know that a process may not be traced: it stops its own runner.
        elsewhere={GVISOR: TIME_LIMIT},
        allowed={
            GVISOR: dict.fromkeys(
                ("traced", "read", "mem", "environ", "maps", "fd/0", "fd/1"), _OWN
            )
        },
        seconds=3,
    ),
    Attack(
        "stealing the runner's input",
        "read what is not for it",
        {
            PYTHON: "import sys\nif sys.stdin.read(): print('BREACH')\nprint('tried')",
            NODE: "if (require('fs').readFileSync(0).length) console.log('BREACH');"
            "console.log('tried')",
            BASH: '[ -z "$(cat)" ] || echo BREACH; echo tried',
        },
    ),
    Attack(
        "killing the runner's helpers",
        "end the box without an end",
        {
            BASH: "for p in /proc/[0-9]*; do p=${p#/proc/}; case $p in 1|$$) ;; "
            "*) kill -9 $p ;; esac; done 2>/dev/null; exit 3",
        },
        end=EXIT_CODE,
    ),
    Attack(
        "stopping the runner's helpers",
        "hold the box for ever",
        {
            BASH: "for p in /proc/[0-9]*; do p=${p#/proc/}; case $p in 1|$$) ;; "
            "*) kill -STOP $p ;; esac; done 2>/dev/null; exit 3",
        },
        end=TIME_LIMIT,
        seconds=1.5,
    ),
    Attack(
        "no room for the runner's helpers",
        "end the box without an end",
        {
            BASH: "for _ in {1..40}; do (trap '' TERM; while :; do sleep 9; done) & done 2>/dev/null; exit 3",
        },
        end=(EXIT_CODE, RUNNER_FAULT, ENGINE_LOST, TIME_LIMIT),
        seconds=1.5,
    ),
    Attack(
        "a log that is no text",
        "break who shows it",
        {
            PYTHON: "import os; os.write(1, bytes(range(256)) * 4); os.write(2, b'\\xff\\0\\x1b[2J')\n"
            "print('\\ntried')",
            NODE: "process.stdout.write(Buffer.from([...Array(256).keys()])); console.log('\\ntried')",
            BASH: "head -c 4096 /dev/urandom; printf '\\ntried\\n'",
        },
    ),
)
