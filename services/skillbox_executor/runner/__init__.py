"""The programs that are PID 1 of a box, one per language.

Their source travels in the box's command line, so images need nothing installed beside the
interpreter. All speak the protocol of `skillbox_executor.sandbox.frames`, and all:

- refuse to run as anything but PID 1, because they end a run with `kill(-1)`; a driver that
  starts them below another init would turn them into a weapon
- use the current directory as /sandbox
- leave with status 70, and a line on stderr, when they are fed something malformed, or nothing
  any more
"""

import re
from functools import cache
from importlib.resources import files

from skillbox_executor.sandbox.frames import json_header, shell_header
from skillbox_executor.sandbox.interface import Language, Payload

FAULT_STATUS = 70
"""What a runner leaves with that was fed nothing any more, or something malformed."""

_INTERPRETERS = {
    # Unbuffered, so that what is printed is seen at once; UTF-8 whatever the image's locale;
    # no .pyc files, because a box is used once.
    Language.PYTHON: (["python3", "-u", "-X", "utf8", "-B", "-c"], "runner.py"),
    Language.NODE: (["node", "-e"], "runner.js"),
    # POSIX shell, not bash: it starts faster, and busybox has it too.
    Language.BASH: (["sh", "-c"], "runner.sh"),
}
# Comments, docstrings and empty lines: every box has to read the rest.
_FOR_PEOPLE = re.compile(r'^[ ]*(?:(?:#|//).*|"""(?s:.*?)""")?\n', re.MULTILINE)


@cache
def _source(name: str) -> str:
    return _FOR_PEOPLE.sub("", files(__package__).joinpath(name).read_text("utf-8"))


def command(language: Language) -> list[str]:
    """Returns the command line of the runner: the interpreter, its options, the source."""
    interpreter, name = _INTERPRETERS[language]
    return [*interpreter, _source(name)]


def header(language: Language, payload: Payload) -> bytes:
    """Returns the header that the language's runner reads before the tar."""
    encode = shell_header if language is Language.BASH else json_header
    return encode(list(payload.argv), dict(payload.env), payload.max_files)
