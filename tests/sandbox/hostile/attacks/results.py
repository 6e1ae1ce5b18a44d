"""Attacks on what reads the folder of results, in the box and in the Executor."""

from skillbox_executor.sandbox.interface import Language
from tests.sandbox.hostile.attack import (
    ARTIFACT_LIMIT,
    BASH,
    EXIT_CODE,
    GVISOR,
    INVALID_OUTPUT,
    NODE,
    OUTPUT_LIMIT,
    PYTHON,
    Attack,
)


def _in_shell(script: str) -> dict[Language, str]:
    """The same in every language: what matters is what it leaves."""
    return {
        PYTHON: f"import os; os.system({script!r})",
        NODE: f"require('child_process').execSync({script!r}, {{stdio: 'inherit'}})",
        BASH: script,
    }


ATTACKS = (
    Attack(
        "links in out/",
        "have other files taken for its results",
        _in_shell(
            "cd out/files; ln -s /etc/passwd a; ln -s / b; ln -s /proc/1/environ c; "
            "ln /etc/passwd d 2>/dev/null; ln -s ../../input.json e; echo 1 >kept; ln kept twice; echo tried"
        ),
    ),
    Attack(
        "devices, pipes and sockets in out/",
        "make the runner wait for them or read them",
        _in_shell(
            "cd out/files; mkfifo p; mknod n c 1 5 2>/dev/null; mknod b b 8 0 2>/dev/null; "
            "cp -a /dev/zero z 2>/dev/null; echo 1 >kept; echo tried"
        ),
        files=["kept"],
    ),
    Attack(
        "output.json is a link",
        "have another file taken for its output",
        _in_shell("ln -s /etc/passwd out/output.json"),
        end=INVALID_OUTPUT,
    ),
    Attack(
        "output.json is a folder",
        "confuse who reads it",
        _in_shell("mkdir -p out/output.json/output.json"),
        end=INVALID_OUTPUT,
    ),
    Attack(
        "output.json is a pipe",
        "make the runner wait for it",
        _in_shell("mkfifo out/output.json"),
        end=INVALID_OUTPUT,
    ),
    Attack(
        "output.json is a socket",
        "confuse who packs it",
        {
            PYTHON: "import socket; socket.socket(socket.AF_UNIX).bind('out/output.json')",
            NODE: "require('net').createServer().listen('out/output.json', () => process.exit(0))",
        },
        end=INVALID_OUTPUT,
    ),
    Attack(
        "output.json of 5 MB",
        "make the Executor hold it",
        _in_shell(
            "(printf '\"'; head -c 5000000 /dev/zero | tr '\\0' x; printf '\"') >out/output.json"
        ),
        end=OUTPUT_LIMIT,
    ),
    Attack(
        "output.json nested 500,000 deep",
        "overflow the Executor's stack",
        {PYTHON: "open('out/output.json', 'w').write('[' * 500_000 + ']' * 500_000)"},
        end=INVALID_OUTPUT,
    ),
    Attack(
        "output.json that is nearly JSON",
        "have something else passed on as JSON",
        {
            PYTHON: "open('out/output.json', 'wb').write(b'{\"a\": NaN}')",
            NODE: "require('fs').writeFileSync('out/output.json', Buffer.from([34, 255, 34]))",
            BASH: 'printf \'{"a":1}{"a":2}\' >out/output.json',
        },
        end=INVALID_OUTPUT,
    ),
    Attack(
        "out/ is a link",
        "have another folder taken for its results",
        _in_shell("rm -r out; ln -s /etc out; echo tried"),
        files=[],
    ),
    Attack(
        "out/ may not be read",
        "make the runner fail",
        _in_shell("echo 1 >out/files/kept; chmod 0 out/files/kept out/files out; echo tried"),
        files=["kept"],
    ),
    Attack(
        "a link that changes while it is read",
        "win a race against the runner",
        {
            PYTHON: """
import os
if os.fork() == 0:
    os.setsid()
    while True:
        for make in (lambda: os.symlink("/etc/passwd", "x"), lambda: open("x", "w").close()):
            try:
                make()
                os.replace("x", "out/files/race")
            except OSError: pass
print("tried")
""",
            BASH: """
(setsid sh -c 'while :; do ln -sf /etc/passwd x; mv -f x out/files/race; :>x; mv -f x out/files/race; done' &)
echo tried
""",
        },
    ),
    Attack(
        "names that mean something to somebody",
        "leave its folder, or break a line or a terminal",
        {
            PYTHON: """
for name in (b"new\\nline", b"\\xff\\xfe", b"\\x1b[2J", b"..\\\\..\\\\x", b"-rf", b"C:x", b"a'b\\"c",
             b"\\xe2\\x80\\xae", b"~", b"$(id)", b" ", b"...", b"n" * 255):
    open(b"out/files/" + name, "w").close()
print("tried")
""",
            BASH: "cd out/files; touch -- $'new\\nline' $'\\xff\\xfe' '..\\\\x' -rf '$(id)' ' ' '...' "
            "$(printf 'n%.0s' {1..255}); echo tried",
        },
    ),
    Attack(
        "names that become one",
        "overwrite one of its files by another",
        {
            PYTHON: r"""
for name in (b"\xff", b"\xfe"): open(b"out/files/" + name, "w").close()
"""
        },
        files=[r"\xfe", r"\xff"],
    ),
    Attack(
        "a path of over 4 KB",
        "overflow who reads it",
        {
            PYTHON: """
import os
os.chdir("out/files")
for _ in range(30):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
open("file", "w").close()
""",
            BASH: """
cd out/files; name=$(printf 'd%.0s' {1..200})
for _ in {1..30}; do mkdir $name; cd -P ./$name; done 2>/dev/null; : >file
""",
        },
        end=ARTIFACT_LIMIT,
        elsewhere={(GVISOR, BASH): EXIT_CODE},  # Bash itself gives up there
    ),
    Attack(
        "setuid files",
        "have them unpacked as what they are",
        _in_shell("echo 1 >out/files/kept; chmod 6777 out/files/kept; echo tried"),
        files=["kept"],
    ),
    Attack(
        "a gzip bomb as a file",
        "have it unpacked",
        _in_shell("head -c 20000000 /dev/zero | gzip >out/files/kept; echo tried"),
        files=["kept"],
    ),
)
