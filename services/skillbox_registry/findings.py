"""What the validator finds: errors, which refuse a skill, and warnings, which do not."""

from dataclasses import dataclass, field

_MAX_SHOWN = 60


@dataclass(frozen=True)
class Finding:
    """One problem.

    Attributes:
        check: The rule that it breaks: a field of the front matter, `archive` or `SKILL.md`.
        line: Line of SKILL.md, counted from 1, where that is known.
    """

    check: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"SKILL.md line {self.line}: " if self.line else ""
        what = "" if where and self.check == "SKILL.md" else f"{self.check}: "
        return f"{where}{what}{self.message}"


@dataclass(frozen=True)
class Findings:
    """Collects everything, so that an author sees all problems at once."""

    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def error(self, check: str, message: str, line: int | None = None) -> None:
        self.errors.append(Finding(check, message, line))

    def warn(self, check: str, message: str, line: int | None = None) -> None:
        self.warnings.append(Finding(check, message, line))


def shown(value: object) -> str:
    """Quotes a value of the author's for a message, cut when it is long."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
