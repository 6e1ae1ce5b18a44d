"""The runner protocol, version 1: how the Executor and the runner inside a box talk.

Lengths are ten decimal ASCII digits, so that a shell can read and write them.

In (the runner's stdin), once:

    LENGTH header     JSON `{"protocol":1,"argv":[…],"env":{…},"limits":{"files":N}}`;
                      for the shell runner, which cannot read JSON, the same as shell words
    LENGTH tar        the content of /sandbox

Out (the runner's stdout), any number of frames, each `TYPE LENGTH payload`:

    h   the runner waits for a payload; empty; always the first frame
    o   what the skill wrote to stdout
    e   what the skill wrote to stderr
    r   a piece of a tar of /sandbox/out: regular files and folders, names relative to it, with or
        without `./`. An `output.json` that is something else is there as what it is, without
        content; links, devices and pipes are left out otherwise
    x   the end: JSON `{"exit_code":N|null,"signal":N|null,"truncated":bool}`

The runner's stderr is for its own faults. Lengths, not end-of-file, mark every end, because
half-closing a hijacked connection is not portable across proxies.
"""

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

PROTOCOL = 1
LENGTH_DIGITS = 10
HEADER_SIZE = 1 + LENGTH_DIGITS
MAX_FRAME = 1024 * 1024
"""Bytes in the payload of one frame. A runner that announces more is faulty."""

_KINDS = frozenset((b"h", b"o", b"e", b"r", b"x"))
_MAX_END = 4096
_MAX_SIGNAL = 64


class FrameError(ValueError):
    """The bytes are not frames of the protocol."""


@dataclass(frozen=True)
class Hello:
    """The runner waits for a payload."""


@dataclass(frozen=True)
class Output:
    """A piece of what the skill printed.

    Attributes:
        stream: `stdout` or `stderr`.
    """

    stream: str
    data: bytes


@dataclass(frozen=True)
class Result:
    """A piece of the tar of /sandbox/out."""

    data: bytes


class End(msgspec.Struct, frozen=True):
    """How the skill ended: exactly one of `exit_code` and `signal` is set.

    Attributes:
        truncated: The runner left files out: too many, too large, too deep or unreadable.
    """

    exit_code: int | None = None
    signal: int | None = None
    truncated: bool = False


Frame = Hello | Output | Result | End


class FrameParser:
    """Turns bytes into frames, in pieces of any size.

    Memory is bounded by one frame of at most `MAX_FRAME` bytes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ended = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yields the frames that `data` completes.

        Raises:
            FrameError: The bytes break the protocol. The parser is of no more use.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER_SIZE:
            kind = bytes(self._buffer[:1])
            if kind not in _KINDS:
                raise FrameError(f"unknown frame type {kind!r}")
            length = parse_length(bytes(self._buffer[1:HEADER_SIZE]))
            if length > (_MAX_END if kind == b"x" else MAX_FRAME):
                raise FrameError(f"a frame of {length} bytes is too long")
            if self._ended:
                raise FrameError("a frame after the end frame")
            if len(self._buffer) < HEADER_SIZE + length:
                return
            payload = bytes(self._buffer[HEADER_SIZE : HEADER_SIZE + length])
            del self._buffer[: HEADER_SIZE + length]
            yield self._frame(kind, payload)

    def _frame(self, kind: bytes, payload: bytes) -> Frame:
        match kind:
            case b"h":
                return Hello()
            case b"o":
                return Output("stdout", payload)
            case b"e":
                return Output("stderr", payload)
            case b"r":
                return Result(payload)
            case _:
                self._ended = True
                return _end(payload)


def _end(payload: bytes) -> End:
    try:
        end = msgspec.json.decode(payload, type=End)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FrameError("the end frame is not valid") from error
    exited = end.exit_code is not None and 0 <= end.exit_code <= 255
    killed = end.signal is not None and 1 <= end.signal <= _MAX_SIGNAL
    if exited == killed or None not in (end.exit_code, end.signal):
        raise FrameError("the end frame has no valid exit code or signal")
    return end


def parse_length(digits: bytes) -> int:
    """Reads a length of ten digits.

    Raises:
        FrameError: They are no ten ASCII digits.
    """
    if len(digits) != LENGTH_DIGITS or not digits.isdigit():
        raise FrameError("a length is not ten digits")
    return int(digits)


def encode_length(length: int) -> bytes:
    """Writes a length as ten digits."""
    return b"%010d" % length


def json_header(argv: list[str], env: dict[str, str], max_files: int) -> bytes:
    """Builds the header for runners that read JSON."""
    header = {"protocol": PROTOCOL, "argv": argv, "env": env, "limits": {"files": max_files}}
    return json.dumps(header).encode()


def shell_header(argv: list[str], env: dict[str, str], max_files: int) -> bytes:
    """Builds the header for the shell runner: `PROTOCOL FILES K=V … -- SCRIPT ARG …`, quoted.

    A variable's name cannot hold `=`, so every word with one before `--` is a variable.
    """
    words = [str(PROTOCOL), str(max_files)]
    words += [f"{name}={value}" for name, value in env.items()]
    return shlex.join([*words, "--", *argv]).encode("utf-8", "surrogateescape")
