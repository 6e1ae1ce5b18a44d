"""Reading of what a run is given on the command line."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import typer

from skillbox.client import check_json
from skillbox_common.units import parse_duration


@dataclass(frozen=True)
class RunRequest:
    """What to run and with what.

    Attributes:
        input_json: JSON text that reaches the skill as it is; empty for none.
    """

    skill: str
    version: str = ""
    input_json: str = field(default="", repr=False)
    env: dict[str, str] = field(default_factory=dict, repr=False)
    entrypoint: str = ""
    args: list[str] = field(default_factory=list)


def read_input(value: str) -> str:
    """Returns the JSON text of `--input`: the text itself, `@file`, or `-` for stdin."""
    try:
        text = _read(value)
        if text.strip():
            check_json(text)
        elif value:
            raise ValueError("it is empty")
    except OSError as error:
        raise _bad(f"cannot read {value[1:]!r}: {error.strerror}") from None
    except ValueError as error:
        hint = f"; to read the file, write @{value}" if _is_file(value) else ""
        raise _bad(f"expected JSON, @file or -: {error}{hint}") from None
    return text


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        # Too long for a name, as JSON often is.
        return False


def _read(value: str) -> str:
    if value == "-":
        return sys.stdin.buffer.read().decode()
    if value.startswith("@"):
        return Path(value[1:]).read_bytes().decode()
    return value


def _bad(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="--input")


def read_duration(text: str, option: str) -> timedelta | None:
    """Returns a length of time such as `90s` or `720h`; `None` for no text."""
    if not text:
        return None
    try:
        return timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def read_env(values: Iterable[str]) -> dict[str, str]:
    """Returns the variables of `--env NAME=VALUE`. Values are not shown in errors."""
    env: dict[str, str] = {}
    for item in values:
        name, separator, value = item.partition("=")
        if not name or not separator:
            shown = f"{name!r} without =" if name else "an empty name"
            raise typer.BadParameter(f"expected NAME=VALUE, got {shown}", param_hint="--env")
        env[name] = value
    return env
