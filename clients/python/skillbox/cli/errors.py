"""How a command fails: exit codes, texts, next steps."""

from enum import IntEnum

from skillbox.client import APIError


class ExitCode(IntEnum):
    """What the exit code of a command says."""

    SUCCESS = 0
    ERROR = 1
    USAGE = 2
    SKILL_FAILED = 3
    SKILL_TIMED_OUT = 4
    NOT_ALLOWED = 5
    NOT_FOUND = 6
    NO_CAPACITY = 7


class CliError(Exception):
    """Ends a command with `Error: <message>` on stderr.

    Attributes:
        hint: What to do next, on a line of its own; may be empty.
        exit_code: Of the process.
    """

    def __init__(self, message: str, hint: str = "", exit_code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


_EXIT_CODES = {
    401: ExitCode.NOT_ALLOWED,
    403: ExitCode.NOT_ALLOWED,
    404: ExitCode.NOT_FOUND,
    429: ExitCode.NO_CAPACITY,
}

_HINTS = {
    "unauthorized": "Set SKILLBOX_API_KEY to a key of this server, or pass --api-key.",
    "forbidden": "`skillbox apikey list` (with an admin key) shows what each key may do.",
    "not_found": "`skillbox skill list`, `exec list` and `apikey list` show what there is.",
    "invalid_skill": "`skillbox skill lint` checks a skill before it is pushed.",
    "already_exists": "This server does not replace versions: raise the version in SKILL.md.",
    "resource_exhausted": "Every sandbox is taken: try again in a moment.",
    "service_unavailable": "A part of the server does not answer: try again in a moment.",
    "internal_error": "The server's log says more.",
}


def explain(error: APIError, server: str) -> CliError:
    """Turns what the client says into what a person at a terminal needs."""
    if error.status_code == 0:
        return CliError(
            f"server {server}: {error.message}",
            "Is Skillbox running there? `skillbox up` starts it here, --server names another.",
        )
    code = _EXIT_CODES.get(error.status_code, ExitCode.ERROR)
    message = error.message or error.error_code or f"the server replied {error.status_code}"
    return CliError(message, _HINTS.get(error.error_code, ""), code)
