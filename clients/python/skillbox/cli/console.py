"""Printing: results go to stdout, everything else to stderr."""

import codecs
import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import DownloadColumn, Progress, ProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from skillbox.cli.json_text import indent
from skillbox.cli.moments import relative

# What a skill prints must not steer the terminal: its control characters become visible.
_CONTROLS = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n\r"}
_CONTROLS |= dict.fromkeys(range(0x7F, 0xA0), 0xFFFD)

_STREAM_STYLES = {"stderr": "yellow", "system": "magenta"}
_PIPE_WIDTH = 10_000


def error_console() -> Console:
    """Returns the console of everything that is no result."""
    sys.stdout.flush()  # so that all comes in order where both streams go to the same place
    return Console(
        stderr=True, highlight=False, soft_wrap=True, color_system=None if _plain() else "auto"
    )


def note(text: str) -> None:
    """Tells a person something."""
    error_console().print(Text(_for(sys.stderr, text)))


def fail(message: str, hint: str = "") -> None:
    """Says why a command failed."""
    text = Text(_for(sys.stderr, f"Error: {message}"), style="red")
    error_console().print(text)
    if hint:
        note(hint)


def show(text: str) -> None:
    """Prints a result."""
    sys.stdout.write(_for(sys.stdout, text) + "\n")


def show_piece(text: str) -> None:
    """Prints a part of a result at once."""
    sys.stdout.write(_for(sys.stdout, text))
    sys.stdout.flush()


def show_json(value: object) -> None:
    """Prints a result as JSON."""
    show_json_text(json.dumps(value, ensure_ascii=False))


def show_json_line(value: object) -> None:
    """Prints one of many results as JSON on a line of its own, at once."""
    show_piece(json.dumps(value, ensure_ascii=False) + "\n")


def show_json_text(text: str) -> None:
    """Prints JSON text, its values untouched."""
    show(indent(text))


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, cut: Collection[str] = ()
) -> None:
    """Prints a result as a table.

    Args:
        cut: Columns that a terminal that is too narrow shows the beginning of. The others stay
            whole as long as they fit.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column,
            overflow="fold",
            no_wrap=bool(cut) and column not in cut,
            min_width=len(column),
        )
    for row in rows:
        cells = (Text(_for(sys.stdout, cell)) for cell in row)
        if sys.stdout.isatty():
            cells = (
                _one_line(cell) if column in cut else cell
                for column, cell in zip(columns, cells, strict=True)
            )
        table.add_row(*cells)
    _print_table(table)


def moment(text: str) -> str:
    """Returns a time in the form for a table: how long ago on a terminal, else as it is."""
    return relative(text) if text and sys.stdout.isatty() else text


def transfer_bar(*columns: ProgressColumn) -> Progress:
    """Returns a progress bar that a terminal shows while it is needed; a pipe sees nothing."""
    console = error_console()
    return Progress(
        TextColumn("{task.description}"),
        *columns,
        DownloadColumn(),
        console=console,
        transient=True,
        disable=_plain() or not console.is_terminal,
    )


def show_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Prints names and values, leaving out what is empty."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        if value:
            table.add_row(name, Text(_for(sys.stdout, value)))
    _print_table(table)


class LogPrinter:
    """Prints a skill's log to stderr while it comes, one colour for each stream."""

    def __init__(self) -> None:
        self._console = error_console()
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._last = "\n"

    def write(self, stream: str, data: bytes) -> None:
        """Prints a piece of log.

        Args:
            stream: `stdout`, `stderr` or `system`.
            data: Not necessarily whole lines or whole characters.
        """
        if stream not in self._decoders:
            self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        text = self._decoders[stream].decode(data)
        if not text:
            return
        self._last = text[-1]
        if self._console.is_terminal:
            style = _STREAM_STYLES.get(stream, "")
            self._console.print(Text(_for(sys.stderr, text), style=style), end="")
        else:
            sys.stderr.write(text)
            sys.stderr.flush()

    def end(self) -> None:
        """Ends the last line."""
        if self._last != "\n":
            sys.stderr.write("\n")


def _print_table(table: Table) -> None:
    """Prints a table, wrapped on a terminal only, without white space at the end of lines."""
    console = Console(
        highlight=False,
        width=None if sys.stdout.isatty() else _PIPE_WIDTH,
        color_system=None if _plain() else "auto",
    )
    with console.capture() as capture:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _one_line(cell: Text) -> Text:
    return Text(" ".join(cell.plain.split()), no_wrap=True, overflow="ellipsis")


def _plain() -> bool:
    """Tells whether the user wants nothing but text; the library itself leaves bold to NO_COLOR."""
    return bool(os.environ.get("NO_COLOR"))


def _for(stream: TextIO, text: str) -> str:
    return text.translate(_CONTROLS) if stream.isatty() else text
