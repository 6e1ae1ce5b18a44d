"""How a command fails: exit codes, texts, next steps."""

from enum import IntEnum

from skillbox.client import APIError, RunResult


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


_RUN_CODES = {"failed": ExitCode.SKILL_FAILED, "timeout": ExitCode.SKILL_TIMED_OUT}

_NOT_SKILLBOX = "That is no reply of Skillbox: is --server, or SKILLBOX_SERVER_URL, its address?"
_NO_REPLIES = (
    ("wrong version number", "It speaks no TLS: try the address with http:// instead."),
    ("certificate verify failed", "SSL_CERT_FILE names a file of further authorities to trust."),
    ("is this a skillbox server", _NOT_SKILLBOX),
    ("failed parsing http/2", _NOT_SKILLBOX),
    ("timed out", "It is slow, or a firewall is between: --server names another."),
    ("reset by peer", "Perhaps it speaks TLS: try the address with https:// instead."),
)
"""What to do when nobody replied as expected, by a part of what is known."""


def explain(error: APIError, server: str) -> CliError:
    """Turns what the client says into what a person at a terminal needs."""
    if error.status_code == 0:
        said = error.message.lower().replace("_", " ")
        hints = (hint for part, hint in _NO_REPLIES if part in said)
        starting = (
            "Is Skillbox running there? `skillbox up` starts it here, --server names another."
        )
        return CliError(f"server {server}: {error.message}", next(hints, starting))
    code = _EXIT_CODES.get(error.status_code, ExitCode.ERROR)
    if not error.error_code:
        return CliError(f"server {server} replied {error.status_code}", _NOT_SKILLBOX, code)
    return CliError(error.message or error.error_code, _HINTS.get(error.error_code, ""), code)


def check_success(result: RunResult) -> None:
    """Returns when a run succeeded.

    Raises:
        CliError: It did not; the exit code says how.
    """
    if result.status != "success":
        message = result.error or f"the run ended as {result.status}"
        raise CliError(message, exit_code=_RUN_CODES.get(result.status, ExitCode.ERROR))
