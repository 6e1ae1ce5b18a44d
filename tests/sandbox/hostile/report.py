"""Writes docs/SANDBOX-ATTACKS.md, the table of attacks and how they end.

    python -m tests.sandbox.hostile.report

`make test` runs every row in every sandbox; a test compares the page with the table.
"""

from collections.abc import Iterator
from pathlib import Path

from skillbox_executor.sandbox.interface import Language
from tests.sandbox.hostile.attack import SANDBOXES, Attack
from tests.sandbox.hostile.attacks import ATTACKS

PAGE = Path(__file__).parents[3] / "docs/SANDBOX-ATTACKS.md"
_INTRODUCTION = """\
# Attacks and how they end

Skills that attack, what each of them is after, and how its run ends in each sandbox: `success`
when the skill was left to try in vain, otherwise the typed reason of the execution. `make hostile`
runs every row in every language that is named, through the Executor's own code, and asserts after
each that no container, process, mount, control group, file or descriptor of the run is left, and
that a box which waited beside it runs well. `make test` does the same, but on gVisor (docker/runsc)
in one language for each row.

More than one reason means that the kernel decides which comes first. ¹ marks what a sandbox lets a
skill have all the same; the notes say why. `python -m tests.sandbox.hostile.report` writes this
page from the table in `tests/sandbox/hostile/attacks/`.
"""


def page() -> str:
    """Returns the page as it must be."""
    lines = [_INTRODUCTION]
    notes: dict[str, None] = {}
    for title, attacks in ATTACKS.items():
        lines += [f"## {title}", "", f"| Attack | It is after | In | {' | '.join(SANDBOXES)} |"]
        lines.append("|---" * (3 + len(SANDBOXES)) + "|")
        for attack in attacks:
            languages = ", ".join(attack.scripts)
            ends = " | ".join(_ends(attack, sandbox) for sandbox in SANDBOXES)
            lines.append(f"| {attack.name} | {attack.aim} | {languages} | {ends} |")
            notes.update(dict.fromkeys(_notes(attack)))
        lines.append("")
    return "\n".join([*lines, "## Notes", "", *notes, ""])


def _ends(attack: Attack, sandbox: str) -> str:
    """Returns one cell: the outcome of all languages, or each with its own."""
    by_end: dict[str, list[Language]] = {}
    for language in attack.scripts:
        ends = " or ".join(end.rpartition(" ")[2] for end in attack.ends(sandbox, language))
        by_end.setdefault(ends, []).append(language)
    mark = " ¹" if attack.allowed.get(sandbox) else ""
    if len(by_end) == 1:
        return next(iter(by_end)) + mark
    return "; ".join(f"{', '.join(names)}: {ends}" for ends, names in by_end.items()) + mark


def _notes(attack: Attack) -> Iterator[str]:
    for sandbox, breaches in attack.allowed.items():
        for why in dict.fromkeys(breaches.values()):
            what = ", ".join(breach for breach, reason in breaches.items() if reason == why)
            yield f"- {attack.name} on {sandbox} ({what}): {why}"


if __name__ == "__main__":
    text = page()
    PAGE.write_text(text, "utf-8")
    print(text)
