"""The runners as programs. What they do in a box is in tests/sandbox."""

import ast
import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_executor.runner import command, header, runner
from skillbox_executor.sandbox.interface import Language, Payload

every_language = pytest.mark.parametrize("language", list(Language))


@every_language
def test_a_command_fits_into_a_container(language: Language) -> None:
    *interpreter, source = command(language)
    assert interpreter
    # The kernel takes 131,072 bytes for one argument, a proxy much less.
    assert len(source.encode()) < 16 * 1024


@every_language
def test_only_the_first_process_may_run_it(language: Language) -> None:
    # It ends with a kill of everything that it may kill.
    ran = subprocess.run(command(language), capture_output=True, timeout=20, check=False)
    assert (ran.returncode, ran.stdout) == (70, b"")
    assert b"the runner must be PID 1" in ran.stderr


def test_the_python_runner_runs_on_python_3_9() -> None:
    ast.parse(command(Language.PYTHON)[-1], feature_version=(3, 9))


def test_headers_are_what_the_language_reads() -> None:
    payload = Payload(["main", "a b"], {"K": "v w"}, [], max_files=5)
    as_json = {"protocol": 1, "argv": ["main", "a b"], "env": {"K": "v w"}, "limits": {"files": 5}}
    assert json.loads(header(Language.PYTHON, payload)) == as_json
    assert json.loads(header(Language.NODE, payload)) == as_json
    assert header(Language.BASH, payload) == b"1 5 'K=v w' -- main 'a b'"


def test_what_only_people_read_is_left_out_and_nothing_else() -> None:
    *_, source = command(Language.PYTHON)
    text = Path(runner.__file__).read_text("utf-8")
    assert len(source) < len(text)
    assert ast.dump(ast.parse(source)) == ast.dump(_without_docstrings(ast.parse(text)))
    *_, script = command(Language.BASH)
    assert not [line for line in script.splitlines() if line.strip().startswith("#") or not line]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(node):
            del node.body[0]
    return tree


@pytest.mark.parametrize(
    ("name", "kind", "code", "found"),
    [
        (b"\tlocalhost\0", b"\0\1", 0, b"\x7f\0\0\1"),
        (b"\tLocalHost\0", b"\0\1", 0, b"\x7f\0\0\1"),
        (b"\tlocalhost\0", b"\0\x1c", 0, b""),  # it has no IPv6 address
        (b"\7example\3com\0", b"\0\1", 5, b""),
    ],
)
def test_the_name_server_knows_localhost(name: bytes, kind: bytes, code: int, found: bytes) -> None:
    # RFC 1035: an id, flags, four counts; then a name, a type and the class of the internet.
    reply = runner.answer(b"id\1\0\0\1\0\0\0\0\0\0" + name + kind + b"\0\1")
    assert reply[:2] == b"id"
    assert (reply[2] >> 7, reply[3] & 15) == (1, code)
    assert reply[4:12] == bytes([0, 1, 0, bool(found), 0, 0, 0, 0])
    question = name + kind + b"\0\1"
    assert reply[12 : 12 + len(question)] == question
    assert reply[12 + len(question) :][12:] == found


@given(st.binary(max_size=600))
def test_the_name_server_survives_anything(query: bytes) -> None:
    with suppress(ValueError):  # it is not answered
        assert runner.answer(query)[:2] == query[:2]
