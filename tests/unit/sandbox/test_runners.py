"""The runners as programs. What they do in a box is in tests/sandbox."""

import ast
import json
import subprocess

import pytest

from skillbox_executor.runner import command, header
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
