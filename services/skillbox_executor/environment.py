"""The environment of a skill: which names a caller may set, and what Skillbox sets."""

from collections.abc import Mapping

BLOCKED_NAMES = frozenset({"PATH", "HOME", "IFS", "ENV", "BASH_ENV"})
BLOCKED_PREFIXES = ("LD_", "PYTHON", "NODE_", "SANDBOX_", "SKILL_", "BASH_FUNC_")

MAX_VARIABLE = 128 * 1024
"""Bytes of the longest `NAME=value`, its NUL included, that Linux hands to a program."""


def blocked_name(env: Mapping[str, str]) -> str | None:
    """Returns a name that a caller may not set, or `None`."""
    for name in env:
        folded = name.upper()
        if (
            not name
            or "=" in name
            or "\0" in name
            or folded in BLOCKED_NAMES
            or folded.startswith(BLOCKED_PREFIXES)
        ):
            return name
    return None


def skill_environment(
    input_json: str, instructions: str, caller: Mapping[str, str]
) -> dict[str, str]:
    """Builds what a skill sees, beside what its image sets.

    The input is left out where Linux could not hand it over; it is in `input.json` anyway.
    The instructions are cut at the same limit.
    """
    env = {
        **caller,
        "SANDBOX_INPUT_FILE": "/sandbox/input.json",
        "SANDBOX_OUTPUT": "/sandbox/out/output.json",
        "SANDBOX_FILES_DIR": "/sandbox/out/files/",
        "HOME": "/tmp",  # noqa: S108 - inside the box
    }
    if _fits("SANDBOX_INPUT", input_json.encode()):
        env["SANDBOX_INPUT"] = input_json
    room = MAX_VARIABLE - len("SKILL_INSTRUCTIONS=") - 1
    text = instructions.replace("\0", "").encode()[:room].decode(errors="ignore")
    env["SKILL_INSTRUCTIONS"] = text
    return env


def oversized_variable(env: Mapping[str, str]) -> str | None:
    """Returns the name of a variable that Linux cannot hand to a program, or `None`."""
    for name, value in env.items():
        if "\0" in value or not _fits(name, value.encode(errors="surrogatepass")):
            return name
    return None


def _fits(name: str, value: bytes) -> bool:
    return len(name.encode()) + 1 + len(value) + 1 <= MAX_VARIABLE
