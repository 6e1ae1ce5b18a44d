"""Which OCI runtime isolates a skill: what the skill asks for and what the operator demands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from skillbox_executor.domain import Reason, Refused

if TYPE_CHECKING:
    from skillbox_executor.config import ExecutorSettings
    from skillbox_executor.skills import Skill

DEFAULT = "runc"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """Demands a runtime for the skills of one pattern.

    Attributes:
        pattern: A glob over `TENANT/SKILL`.
    """

    pattern: str
    runtime: str


def parse_names(value: object) -> object:
    """Reads `runsc,kata`.

    Raises:
        ValueError: One is not the name of a runtime.
    """
    return tuple(map(_name, value.split(","))) if isinstance(value, str) else value


def parse_rules(value: object) -> object:
    """Reads `TENANT/SKILL=RUNTIME,…`, whose left sides are globs.

    Raises:
        ValueError: A rule is of another form.
    """
    return tuple(map(_rule, value.split(","))) if isinstance(value, str) else value


def choose(skill: "Skill", settings: "ExecutorSettings") -> str:
    """Returns the runtime that a run of `skill` gets: what is asked for, or the run is refused.

    Raises:
        Refused: The skill asks for a runtime that is not offered, or for another one than the
            operator demands, or there are no runtimes to choose from.
    """
    demanded = _demanded(skill, settings.runtime_policy)
    wanted = skill.runtime or demanded or settings.oci_runtime
    if settings.sandbox == "bubblewrap":
        if skill.runtime or wanted != DEFAULT:
            raise _refused(wanted, "bubblewrap has no OCI runtimes")
        return wanted
    if demanded and wanted != demanded:
        raise _refused(wanted, f"the operator demands {demanded} for this skill")
    offered = (settings.oci_runtime, *settings.oci_runtimes)
    if wanted != demanded and wanted not in offered:
        raise _refused(wanted, f"this server offers {', '.join(offered)}")
    return wanted


def possible(settings: "ExecutorSettings") -> Sequence[str]:
    """Returns every runtime that a box may get."""
    demanded = (rule.runtime for rule in settings.runtime_policy)
    return tuple(dict.fromkeys([settings.oci_runtime, *settings.oci_runtimes, *demanded]))


def _demanded(skill: "Skill", rules: Sequence[Rule]) -> str:
    """Returns what the first rule that fits demands; empty without one."""
    name = f"{skill.tenant_id}/{skill.name}"
    return next((rule.runtime for rule in rules if fnmatchcase(name, rule.pattern)), "")


def _refused(runtime: str, reason: str) -> Refused:
    return Refused(
        Reason.RUNTIME_NOT_ALLOWED, f'runtime validation: "{runtime}" is not allowed: {reason}'
    )


def _name(text: str) -> str:
    name = text.strip()
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: expected the name of an OCI runtime such as runsc")
    return name


def _rule(text: str) -> Rule:
    pattern, equals, runtime = text.strip().rpartition("=")
    if not equals or "/" not in pattern:
        raise ValueError(f"{text.strip()!r}: expected TENANT/SKILL=RUNTIME such as acme/*=runsc")
    return Rule(pattern, _name(runtime))
