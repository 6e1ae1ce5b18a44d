"""What an attack is, and how the sandboxes are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skillbox_executor.sandbox.interface import Language, Limits

PYTHON, NODE, BASH = Language.PYTHON, Language.NODE, Language.BASH
RUNC, GVISOR, BUBBLEWRAP = "docker/runc", "docker/runsc", "bubblewrap"
SANDBOXES = (RUNC, GVISOR, BUBBLEWRAP)

MIB = 1024 * 1024
LIMITS = Limits(memory_bytes=160 * MIB, cpus=1, pids=32, sandbox_bytes=16 * MIB)

BREACH = "BREACH"
"""A skill prints a line that begins so when it got what it must not get."""
TRIED = "tried"
"""A skill prints this line when it has tried everything; without it a success proves nothing."""

SUCCESS = "success"
EXIT_CODE = "failed EXIT_CODE"
SIGNAL = "failed SIGNAL"
TIME_LIMIT = "timeout TIME_LIMIT"
OUT_OF_MEMORY = "failed OUT_OF_MEMORY"
OUTPUT_LIMIT = "failed OUTPUT_LIMIT"
ARTIFACT_LIMIT = "failed ARTIFACT_LIMIT"
INVALID_OUTPUT = "failed INVALID_OUTPUT"
ENGINE_LOST = "failed ENGINE_LOST"
RUNNER_FAULT = "failed RUNNER_FAULT"

Ends = str | tuple[str, ...]
"""One outcome; or several, where the kernel decides which comes first."""


@dataclass(frozen=True)
class Attack:
    """A hostile skill.

    Attributes:
        name: In the table; also the test's.
        aim: What it must not achieve.
        scripts: The skill in each language that can express it.
        end: The outcome that it must have.
        elsewhere: The outcome where it is another one, by sandbox, by language or by both.
        allowed: What a sandbox lets it have all the same: the texts of its breaches, and why.
        seconds: The run's time limit.
        files: The regular files that must come back; None for any.
    """

    name: str
    aim: str
    scripts: Mapping[Language, str]
    end: Ends = SUCCESS
    elsewhere: Mapping[str | Language | tuple[str, Language], Ends] = field(default_factory=dict)
    allowed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    seconds: float = 20.0
    limits: Limits = LIMITS
    files: Sequence[str] | None = None

    def ends(self, sandbox: str, language: Language) -> tuple[str, ...]:
        """Returns the outcomes that it may have."""
        for key in ((sandbox, language), sandbox, language):
            if key in self.elsewhere:
                end = self.elsewhere[key]
                return (end,) if isinstance(end, str) else end
        return (self.end,) if isinstance(self.end, str) else self.end
