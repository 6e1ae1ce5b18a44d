import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox.cli import console
from skillbox.cli.json_text import indent, result_text
from skillbox.client import Execution, RunResult

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes stdout and stderr a terminal. No fixture: capturing resets them before the test."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    return stream


@given(JSON, st.booleans())
def test_json_is_laid_out_like_that_of_the_library(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped, separators=(",", ":"))
    assert indent(text) == json.dumps(value, ensure_ascii=escaped, indent=2)


def test_layout_leaves_values_as_they_are() -> None:
    text = '{"a":1.10,"a":-0,"b":1e400,"c":"\\u0041\\/ {}[],: \\"","d":[ ],"e":{ }}'
    spaced = indent(text)
    assert "".join(spaced.split()) == "".join(text.split())
    assert '"d": []' in spaced
    assert indent("5") == "5"
    assert indent("") == ""


def test_a_result_keeps_the_order_of_its_members() -> None:
    assert result_text(RunResult("e1", "success", output={}, output_json="{}")) == (
        '{"execution_id":"e1","status":"success","output":{},"duration_ms":0,"error":null}'
    )


def test_an_output_that_is_empty_or_false_is_still_there() -> None:
    for text in ("0", "false", '""', "[]"):
        result = RunResult("e1", "success", json.loads(text), output_json=text)
        assert f'"output":{text}' in result_text(result)


def test_input_and_output_of_a_run_are_their_own_texts() -> None:
    execution = Execution("e1", input=1.1, input_json="1.10", output=2.2, output_json="2.20")
    text = result_text(execution)
    assert '"output":2.20,' in text
    assert '"input":1.10' in text


def test_colours_tell_streams_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    printer = console.LogPrinter()
    printer.write("stdout", b"plain ")
    printer.write("stderr", b"loud")
    printer.end()
    assert terminal.getvalue() == "plain \x1b[33mloud\x1b[0m\n"


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    console.LogPrinter().write("stderr", b"loud")
    console.fail("no")
    console.show_table(("A", "B"), [("1", "2")])
    console.show_fields([("a", "1")])
    with console.transfer_bar() as bar:
        bar.advance(bar.add_task("Pushing", total=2))
    assert terminal.getvalue() == "loudError: no\nA  B\n1  2\na  1\n"


def test_a_skill_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    console.LogPrinter().write("stdout", b"\x1b]0;title\x07[red]\xc2\x9b2J\n")
    console.show_table(("A",), [("\x1b[2J",)])
    console.show_fields([("a", "\x1b[2J")])
    console.show_json_text('"\x7f"')
    console.show("\x1b[2J")
    console.note("\x1b[2J")
    plain = terminal.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in plain
    assert "[red]" in plain
    assert not {"\x07", "\x7f", "\x9b"} & set(plain)


def test_what_goes_into_a_pipe_is_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    console.show("\x1b[2J")
    console.LogPrinter().write("stderr", b"\x1b[2J")
    out, err = capsys.readouterr()
    assert (out, err) == ("\x1b[2J\n", "\x1b[2J")
