"""`skillbox skill lint`: the server's own checks, one line each."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from skillbox_common.errors import InvalidSkill
from skillbox_registry.findings import Findings
from skillbox_registry.limits import Limits
from skillbox_registry.pack import pack
from skillbox_registry.validate import inspect_archive

CHECKS = (
    "archive",
    "SKILL.md",
    "name",
    "version",
    "description",
    "lang",
    "image",
    "runtime",
    "timeout",
    "resources.memory",
    "resources.cpu",
    "input_schema",
    "output_schema",
)
_IN_MEMORY = 8 * 1024 * 1024


@dataclass(frozen=True)
class Check:
    """The outcome of one rule.

    Attributes:
        message: Why it failed, or what it warns of; may be empty when it passed.
        line: Line of SKILL.md, counted from 1, where that is known.
    """

    name: str
    passed: bool
    message: str = ""
    line: int | None = None


def lint(path: Path, limits: Limits | None = None) -> list[Check]:
    """Checks a folder or a zip. Blocking.

    Returns:
        Each rule that was reached, in a fixed order. A rule that found several problems is
        there once for each.

    Raises:
        OSError: There is nothing at `path`, or it cannot be read.
    """
    findings = Findings()
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as packed:
        try:
            if path.is_dir():
                pack(path, packed)
                inspect_archive(packed, limits or Limits(), findings)
            else:
                with path.open("rb") as file:
                    inspect_archive(file, limits or Limits(), findings)
        except InvalidSkill as error:
            findings.error("archive", error.message)
    return _checks(findings)


def _checks(findings: Findings) -> list[Check]:
    failed = {error.check for error in findings.errors}
    names = [*CHECKS, *sorted({f.check for f in findings.errors + findings.warnings} - {*CHECKS})]
    checks = []
    for name in names:
        found = [Check(name, False, e.message, e.line) for e in findings.errors if e.check == name]
        found += [
            Check(name, True, w.message, w.line) for w in findings.warnings if w.check == name
        ]
        checks += found or [Check(name, True)]
        if name in failed & {"archive", "SKILL.md"}:
            # Nothing behind it was looked at.
            break
    return checks
