"""A Python skill runs in a fork of the runner, and must not be able to tell."""

import re

import pytest

from skillbox_executor.sandbox.frames import End
from skillbox_executor.sandbox.interface import Language
from tests.sandbox.skills import Bench, Ran


async def run(bench: Bench, script: str, **files: str) -> Ran:
    """Runs a script beside modules of the given names."""
    modules = {f"scripts/{name}.py": text.encode() for name, text in files.items()}
    return await bench.run(Language.PYTHON, script, "arg", files=modules)


async def test_main_is_a_script(bench: Bench) -> None:
    script = '''"""Doc."""
import sys, __main__
assert (__name__, __file__, __doc__) == ("__main__", "/sandbox/scripts/main.py", "Doc.")
assert __spec__ is None and __package__ is None and __main__.sys is sys
assert sys.argv == ["scripts/main.py", "arg"] and sys.path[0] == "/sandbox/scripts"
assert "" not in sys.path and sys.orig_argv[-2:] == sys.argv
left = {"ctypes", "select"} & set(globals())
assert not left, left
print(sorted(name for name in globals() if not name.startswith("__")))
'''
    assert (await run(bench, script)).ok() == "['left', 'sys']\n"


async def test_modules_beside_the_script_come_first(bench: Bench) -> None:
    ran = await run(bench, "import helper; print(helper.name)", helper="name = __name__")
    assert ran.ok() == "helper\n"


async def test_a_module_named_like_one_of_the_library_does_no_harm(bench: Bench) -> None:
    hostile = "raise SystemExit('imported')"
    ran = await run(bench, "print('well')", encodings=hostile, stat=hostile, codecs=hostile)
    assert ran.ok() == "well\n"


async def test_a_traceback_shows_the_skill_alone(bench: Bench) -> None:
    script = """
def fail():
    raise ValueError("broken")

try:
    fail()
except ValueError as error:
    raise RuntimeError("worse") from error
"""
    ran = await run(bench, script)
    assert ran.end == End(exit_code=1)
    shown = re.sub(rb"\n +[~^]+", b"", ran.stderr).decode()  # later versions underline
    assert shown == (
        "Traceback (most recent call last):\n"
        '  File "/sandbox/scripts/main.py", line 6, in <module>\n    fail()\n'
        '  File "/sandbox/scripts/main.py", line 3, in fail\n    raise ValueError("broken")\n'
        "ValueError: broken\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\n"
        '  File "/sandbox/scripts/main.py", line 8, in <module>\n'
        '    raise RuntimeError("worse") from error\n'
        "RuntimeError: worse\n"
    )


async def test_a_syntax_error_is_one(bench: Bench) -> None:
    ran = await run(bench, "x = (\n")
    assert ran.end == End(exit_code=1)
    assert ran.stderr.startswith(b'  File "/sandbox/scripts/main.py", line 1\n')
    assert b"SyntaxError" in ran.stderr


@pytest.mark.parametrize(
    ("script", "end", "stderr"),
    [
        ("raise SystemExit", End(exit_code=0), b""),
        ("raise SystemExit(7)", End(exit_code=7), b""),
        ("raise SystemExit('why')", End(exit_code=1), b"why\n"),
        ("raise SystemExit(256 + 3)", End(exit_code=3), b""),
        ("import os; os._exit(9)", End(exit_code=9), b""),
        ("import os; os.abort()", End(signal=6), b""),
        ("import ctypes; ctypes.string_at(0)", End(signal=11), b""),
        ("import os; os.kill(os.getpid(), 15)", End(signal=15), b""),
        ("raise KeyboardInterrupt", End(signal=2), b"KeyboardInterrupt"),
        (
            "import sys; sys.excepthook = lambda *a: print('mine', len(a), file=sys.stderr); 1 / 0",
            End(exit_code=1),
            b"mine 3",
        ),
    ],
)
async def test_every_end_is_exact(bench: Bench, script: str, end: End, stderr: bytes) -> None:
    ran = await run(bench, script)
    assert ran.end == end
    assert stderr in ran.stderr
    assert stderr or not ran.stderr


async def test_everything_at_the_end_happens(bench: Bench) -> None:
    script = """
import atexit, threading, time
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
print("main", end=";")
"""
    assert (await run(bench, script)).ok() == "main;thread\nat exit\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
async def test_multiprocessing_works(bench: Bench, method: str) -> None:
    script = f"""
import multiprocessing

def square(x):
    return x * x

if __name__ == "__main__":
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        print(pool.map(square, range(4)))
"""
    assert (await run(bench, script)).ok() == "[0, 1, 4, 9]\n"


async def test_asyncio_and_subprocesses_work(bench: Bench) -> None:
    script = """
import asyncio, subprocess, sys
async def main():
    process = await asyncio.create_subprocess_exec("sh", "-c", "exit 3")
    return await process.wait()
print(asyncio.run(main()))
code = "import sys; print(sys.stdout.write_through)"
print(subprocess.check_output([sys.executable, "-c", code], text=True).strip())
"""
    assert (await run(bench, script)).ok() == "3\nTrue\n"


async def test_text_is_utf_8(bench: Bench) -> None:
    script = """
import sys
print("ü", sys.stdout.encoding, sys.getfilesystemencoding(), open(__file__).encoding)
print("\\udcff", file=sys.stdout)
"""
    ran = await run(bench, script)
    assert (
        ran.stdout.lower().replace(b"utf-8", b"utf8") == "ü utf8 utf8 utf8\n".encode() + b"\xff\n"
    )


async def test_an_encoding_of_its_own_is_honoured(bench: Bench) -> None:
    source = "# coding: latin-1\nprint('ü')\n".encode("latin-1")
    ran = await bench.run(Language.PYTHON, "", files={"scripts/main.py": source})
    assert ran.ok() == "ü\n"


async def test_the_time_zone_is_the_callers(bench: Bench) -> None:
    script = "import time; print(time.tzname[0], time.timezone, time.localtime(0).tm_hour)"
    ran = await bench.run(Language.PYTHON, script, env={"TZ": "XYZ-3"})
    assert ran.ok() == "XYZ -10800 3\n"


async def test_no_compiled_files_are_left(bench: Bench) -> None:
    script = "import helper, os; print(sorted(os.listdir('scripts')))"
    assert (await run(bench, script, helper="")).ok() == "['helper.py', 'main.py']\n"


async def test_signals_are_as_usual(bench: Bench) -> None:
    script = """
import signal
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL, signal.pthread_sigmask(0, []))
"""
    assert (await run(bench, script)).ok() == "True\nTrue set()\n"


STATE = """
import gc, json, locale, os, signal, subprocess, sys, threading, warnings
import __main__

def state():
    streams = [sys.stdin, sys.stdout, sys.stderr]
    return {
        "argv": sys.argv, "orig_argv": sys.orig_argv[-len(sys.argv):], "path": sys.path,
        "flags": list(sys.flags), "bytecode": sys.dont_write_bytecode,
        "main": sorted(vars(__main__)), "file": __file__, "loader": type(__loader__).__name__,
        "builtins": [type(__builtins__).__name__, len(vars(__builtins__))],
        "stdin": [sys.stdin.read(), sys.stdin.isatty()],
        "streams": [[s.name, s.encoding, s.errors, s.line_buffering, s.write_through]
                    for s in streams],
        "descriptors": os.listdir("/proc/self/fd"),
        "inherited": [os.get_inheritable(number) for number in range(3)],
        "signals": {number: str(signal.getsignal(number)) for number in signal.valid_signals()},
        "blocked": sorted(signal.pthread_sigmask(0, [])),
        "umask": os.umask(0o022), "cwd": os.getcwd(), "locale": locale.getlocale(),
        "ids": [os.getuid(), os.getgid(), os.getgroups(), os.nice(0)],
        "gc": [gc.isenabled(), gc.get_threshold()], "recursion": sys.getrecursionlimit(),
        "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__,
                  threading.excepthook is threading.__excepthook__,
                  sys.gettrace(), sys.getprofile()],
        "threads": [thread.name for thread in threading.enumerate()],
        "filters": [str(each) for each in warnings.filters],
        "finders": [str(each).partition(" at ")[0] for each in sys.meta_path],
        "hooks of paths": len(sys.path_hooks), "switch": sys.getswitchinterval(),
    }

mine = json.dumps(state(), default=str)
if "CHILD" in os.environ:
    print(mine)
else:
    fresh = subprocess.run(
        [sys.executable, "-B", "-X", "utf8", *sys.argv], env={**os.environ, "CHILD": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
    )
    mine, fresh = json.loads(mine), json.loads(fresh.stdout)
    print({key: (mine[key], fresh[key]) for key in fresh if mine[key] != fresh[key]})
"""


async def test_nothing_differs_from_a_fresh_interpreter(bench: Bench) -> None:
    assert (await run(bench, STATE)).ok() == "{}\n"


async def test_what_is_left_open_is_written_and_told_at_the_end(bench: Bench) -> None:
    script = """
import sys, weakref

class Told:
    def __del__(self):
        print("deleted")

told, cycle = Told(), Told()
cycle.itself = cycle
left_open = open("/sandbox/out/files/left.txt", "w")
left_open.write("all of it")
weakref.finalize(told, print, "finalized")
"""
    ran = await run(bench, script)
    assert sorted(ran.ok().splitlines()) == ["deleted", "deleted", "finalized"]
    assert ran.contents["files/left.txt"] == b"all of it"
