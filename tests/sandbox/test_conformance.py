"""What every driver does with every language. A driver that passes is one the Executor can use."""

import json

import pytest

from skillbox_executor.sandbox.frames import End
from skillbox_executor.sandbox.interface import Language
from tests.sandbox.skills import Bench

PYTHON, NODE, BASH = Language.PYTHON, Language.NODE, Language.BASH
every_language = pytest.mark.parametrize("language", [PYTHON, NODE, BASH])
LONG = "long-" * 30  # a tar header holds 100 bytes of a name


@every_language
async def test_a_skill_gets_its_files_arguments_and_environment(
    bench: Bench, language: Language
) -> None:
    scripts = {
        PYTHON: """
import json, os, sys
print(json.dumps([sys.argv[1:], os.environ["WORD"], os.getcwd(), open("input.json").read(),
    open(os.environ["FILE"]).read(), os.path.isdir("out/files"), os.environ["PATH"] != ""]))
""",
        NODE: """
const fs = require("fs");
console.log(JSON.stringify([process.argv.slice(2), process.env.WORD, process.cwd(),
    fs.readFileSync("input.json", "utf8"), fs.readFileSync(process.env.FILE, "utf8"),
    fs.statSync("out/files").isDirectory(), process.env.PATH !== ""]));
""",
        BASH: r"""
word=${WORD//\\/\\\\} word=${word//\"/\\\"} word=${word//$'\n'/\\n}
printf '[["%s","%s"],"%s","%s","%s","%s",%s,%s]\n' "$1" "$2" "$word" "$PWD" "$(<input.json)" \
    "$(<"$FILE")" "$([ -d out/files ] && echo true)" "$([ "$PATH" ] && echo true)"
""",
    }
    word = 'it\'s "quoted" $HOME `id` \\ ü\n-- end'
    file = f"data/{LONG}/ünïcode {LONG}.txt"
    ran = await bench.run(
        language,
        scripts[language],
        "a b",
        "--",
        env={"WORD": word, "FILE": file},
        files={file: b"deep", "empty": b""},
    )
    assert json.loads(ran.ok()) == [["a b", "--"], word, "/sandbox", "{}", "deep", True, True]
    assert ran.end == End(exit_code=0)


@every_language
async def test_what_a_skill_leaves_comes_back(bench: Bench, language: Language) -> None:
    name = f"files/a/{LONG}/ü {LONG}.bin"
    scripts = {
        PYTHON: """
import os, sys
path = "out/" + sys.argv[1]
os.makedirs(os.path.dirname(path))
open(path, "wb").write(bytes(range(256)) * 300)
open("out/output.json", "w").write('{"b": 1, "a": 12345678901234567890}')
os.chmod(os.path.dirname(path), 0)
""",
        NODE: """
const fs = require("fs"), path = "out/" + process.argv[2], dir = require("path").dirname(path);
fs.mkdirSync(dir, {recursive: true});
const bytes = Buffer.from([...Array(256).keys()]);
fs.writeFileSync(path, Buffer.concat(Array(300).fill(bytes)));
fs.writeFileSync("out/output.json", '{"b": 1, "a": 12345678901234567890}');
fs.chmodSync(dir, 0);
""",
        BASH: r"""
path=out/$1
mkdir -p "$(dirname "$path")"
for code in $(seq 0 255); do printf "\\x$(printf %x "$code")"; done >one
for _ in $(seq 300); do cat one; done >"$path"
printf '{"b": 1, "a": 12345678901234567890}' >out/output.json
chmod 0 "$(dirname "$path")"
""",
    }
    ran = await bench.run(language, scripts[language], name)
    assert ran.ok() == ""
    assert ran.contents == {
        "output.json": b'{"b": 1, "a": 12345678901234567890}',
        name: bytes(range(256)) * 300,
    }


@every_language
async def test_output_comes_while_the_skill_runs(bench: Bench, language: Language) -> None:
    scripts = {
        PYTHON: """
import sys, time
print("line"); time.sleep(0.9)
print("part", end=""); time.sleep(0.9)
print("problem", file=sys.stderr); time.sleep(0.9)
""",
        NODE: """
const nap = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900);
process.stdout.write("line\\n"); nap();
process.stdout.write("part"); nap();
process.stderr.write("problem\\n"); nap();
""",
        BASH: "echo line; sleep 0.9; printf part; sleep 0.9; echo problem >&2; sleep 0.9",
    }
    ran = await bench.run(language, scripts[language])
    assert (ran.stdout, ran.stderr) == (b"line\npart", b"problem\n")
    times = [
        next(at for at, data in ran.heard if data.startswith(start))
        for start in (b"line", b"part", b"problem")
    ]
    gaps = [later - sooner for sooner, later in zip(times, [*times[1:], ran.seconds], strict=True)]
    assert min(gaps) > 0.15


@every_language
async def test_an_exit_code_is_exact_and_the_files_still_come(
    bench: Bench, language: Language
) -> None:
    scripts = {
        PYTHON: "open('out/output.json', 'w').write('1'); raise SystemExit(42)",
        NODE: "require('fs').writeFileSync('out/output.json', '1'); process.exit(42)",
        BASH: "printf 1 >out/output.json; exit 42",
    }
    ran = await bench.run(language, scripts[language])
    assert ran.end == End(exit_code=42)
    assert ran.contents["output.json"] == b"1"


@every_language
async def test_a_signal_is_told_from_an_exit_code(bench: Bench, language: Language) -> None:
    scripts = {
        PYTHON: "import os; os.kill(os.getpid(), 9)",
        NODE: "process.kill(process.pid, 'SIGKILL'); for (;;);",
        BASH: "kill -9 $$",
    }
    # A shell cannot: it shows 128 + N.
    end = End(exit_code=137) if language is BASH else End(signal=9)
    assert (await bench.run(language, scripts[language])).end == end


@every_language
async def test_much_output_and_long_lines_come_whole(bench: Bench, language: Language) -> None:
    scripts = {
        PYTHON: """
import sys
sys.stdout.write("x" * 1_000_000 + "\\n")
for number in range(400_000): sys.stdout.buffer.write(b"%d\\n" % number) if number % 100 else (
    sys.stdout.buffer.write(b"%d\\n" % number), sys.stderr.write("!"))
""",
        NODE: """
process.stdout.write("x".repeat(1000000) + "\\n");
for (let number = 0; number < 400000; number += 100) {
  let text = "";
  for (let each = number; each < number + 100; each++) text += each + "\\n";
  process.stdout.write(text);
  process.stderr.write("!");
}
""",
        BASH: """
head -c 1000000 /dev/zero | tr '\\0' x; echo
seq 0 399999 &
for _ in $(seq 4000); do printf '!' >&2; done
wait
""",
    }
    ran = await bench.run(language, scripts[language])
    assert ran.end == End(exit_code=0)
    assert ran.stderr == b"!" * 4000
    assert ran.stdout == b"x" * 1_000_000 + b"\n" + b"".join(b"%d\n" % n for n in range(400_000))


@every_language
async def test_output_may_be_any_bytes(bench: Bench, language: Language) -> None:
    scripts = {
        PYTHON: "import sys; sys.stdout.buffer.write(bytes(range(256)))",
        NODE: "process.stdout.write(Buffer.from([...Array(256).keys()]))",
        BASH: r'for code in $(seq 0 255); do printf "\\x$(printf %x "$code")"; done',
    }
    assert (await bench.run(language, scripts[language])).stdout == bytes(range(256))


@every_language
async def test_stdin_is_at_its_end(bench: Bench, language: Language) -> None:
    scripts = {
        PYTHON: "import sys; print(repr(sys.stdin.read()))",
        NODE: "console.log(JSON.stringify(require('fs').readFileSync(0, 'utf8')))",
        BASH: 'printf "\'%s\'\\n" "$(cat)"',
    }
    assert (await bench.run(language, scripts[language])).ok().strip() in ("''", '""')


@every_language
async def test_no_other_descriptor_is_open(bench: Bench, language: Language) -> None:
    # Python's and Bash's listing itself takes one more. Node has many of its own, but its only
    # sockets are those from the runner.
    scripts = {
        PYTHON: "import os; print(*sorted(os.listdir('/proc/self/fd')))",
        NODE: """
const fs = require("fs");
const isSocket = (fd) => {
  try { return fs.readlinkSync("/proc/self/fd/" + fd).startsWith("socket:"); } catch {}
};
console.log("0", ...fs.readdirSync("/proc/self/fd").filter(isSocket), "3");
""",
        BASH: "exec 255<&-; echo $(ls /proc/self/fd)",  # 255 is the script
    }
    assert (await bench.run(language, scripts[language])).ok() == "0 1 2 3\n"


@every_language
async def test_what_outlives_the_skill_dies_with_it(bench: Bench, language: Language) -> None:
    orphan = "setsid sh -c 'trap \"\" TERM HUP INT; sleep 5; echo late; sleep 60' &"
    scripts = {
        PYTHON: f"import os; print('now'); os.system({orphan!r})",
        NODE: f"console.log('now'); require('child_process').execSync({orphan!r}"
        ", {stdio: 'inherit'})",
        BASH: f"echo now\n{orphan}",
    }
    ran = await bench.run(language, scripts[language])
    assert ran.ok() == "now\n"
    assert ran.seconds < 5


async def test_a_process_that_waits_for_its_vfork_dies_too(bench: Bench) -> None:
    # clone, the x86-64 way, with CLONE_VM and CLONE_VFORK: the parent waits in the kernel.
    vfork = "syscall(56, 0x4100 | 17, 0, 0, 0, 0) or sleep 60"
    ran = await bench.run(
        BASH,
        f"""
setsid perl -e '{vfork}' &
until grep -q '^State:.D' /proc/$!/status; do :; done
echo waits
""",
    )
    assert ran.ok() == "waits\n"
    assert ran.seconds < 5


@every_language
async def test_links_and_devices_do_not_come_back(bench: Bench, language: Language) -> None:
    ran = await bench.run(
        language,
        {
            PYTHON: "import os; os.system('sh oddities')",
            NODE: "require('child_process').execSync('sh oddities', {stdio: 'inherit'})",
            BASH: "sh oddities",
        }[language],
        files={
            "oddities": b"""
cd out/files
ln -s /etc/passwd link
ln -s / folder
mkfifo pipe
mkdir empty
echo kept >regular
ln regular hard
"""
        },
    )
    assert ran.ok() == ""
    regular = {name for name, entry in ran.left.items() if not entry.isdir()}
    # The second name of a file may come as a link to the first, or as a file.
    assert regular - {"files/hard"} == {"files/regular"}
    assert ran.contents["files/regular"] == b"kept\n"
    assert ran.left["files/empty"].isdir()
    assert not ran.end.truncated


@every_language
@pytest.mark.parametrize(
    ("make", "check"),
    [
        ("ln -s /etc/passwd out/output.json", "issym"),
        ("mkfifo out/output.json", "isfifo"),
        ("mkdir -p out/output.json/deeper", "isdir"),
    ],
)
async def test_an_output_that_is_no_file_is_seen(
    bench: Bench, language: Language, make: str, check: str
) -> None:
    scripts = {
        PYTHON: f"import os; os.system({make!r})",
        NODE: f"require('child_process').execSync({make!r})",
        BASH: make,
    }
    ran = await bench.run(language, scripts[language])
    assert ran.ok() == ""
    assert getattr(ran.left["output.json"], check)()
    assert ran.left["output.json"].size == 0


@every_language
async def test_of_too_many_files_some_come_and_it_is_said(bench: Bench, language: Language) -> None:
    make = """i=0; while [ $i -lt 30 ]; do echo $i >"out/files/$i
two lines"; i=$((i+1)); done; echo 1 >out/output.json"""
    scripts = {
        PYTHON: f"import os; os.system({make!r})",
        NODE: f"require('child_process').execSync({json.dumps(make)})",
        BASH: make,
    }
    ran = await bench.run(language, scripts[language], max_files=10)
    assert ran.end == End(exit_code=0, truncated=True)
    assert len(ran.contents) == 11
    assert ran.contents["output.json"] == b"1\n"
    exact = await bench.run(language, scripts[language], max_files=30)
    assert exact.end == End(exit_code=0)
    assert len(exact.contents) == 31


@every_language
@pytest.mark.parametrize("instead", ["rm -r out", "rm -r out; ln -s /etc out", "rm -r out; >out"])
async def test_without_its_folder_nothing_comes_back(
    bench: Bench, language: Language, instead: str
) -> None:
    scripts = {
        PYTHON: f"import os; os.system({instead!r})",
        NODE: f"require('child_process').execSync({instead!r})",
        BASH: instead,
    }
    ran = await bench.run(language, scripts[language])
    assert ran.ok() == ""
    assert ran.contents == {}


@every_language
async def test_localhost_is_the_box_and_no_other_name_is_known(
    bench: Bench, language: Language
) -> None:
    scripts = {
        PYTHON: """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(("localhost", server.getsockname()[1])).close()
print(socket.gethostbyname("LOCALHOST"))
try:
    print(socket.getaddrinfo("example.com", 80))
except socket.gaierror:
    print("unknown")
""",
        NODE: """
const dns = require("dns"), net = require("net");
const server = net.createServer((socket) => socket.end()).listen(0, "127.0.0.1", () => {
  net.connect(server.address().port, "localhost", () => {
    dns.lookup("LOCALHOST", { family: 4 }, (_, address) => {
      console.log(address);
      dns.lookup("example.com", (error, address) => {
        console.log(error ? "unknown" : address);
        process.exit();
      });
    });
  });
});
""",
        BASH: """
getent hosts LOCALHOST >/dev/null && echo 127.0.0.1
getent hosts example.com || echo unknown
""",
    }
    ran = await bench.run(language, scripts[language])
    assert ran.ok() == "127.0.0.1\nunknown\n"
