"""What became of every execution, as the database and the machine say."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.leaks import Held, leaks
from tests.faults.load import Load
from tests.faults.site import Site

# What the design promises after the recovery of whatever failed.
RECOVERY_S = 30.0
_FINAL = ("success", "failed", "timeout", "cancelled")
# Ends that a fault explains. Anything else would be an accusation of the skill.
_EXPLAINED = frozenset({"EXECUTOR_LOST", "ENGINE_LOST", "INTERNAL"})
# What has not started can be run later or elsewhere.
_STARTED = frozenset({"EXECUTOR_LOST", "ENGINE_LOST"})

_EXECUTIONS = """
SELECT id, status, reason, input_json, output_json, sandbox, files,
       (SELECT count(*) FROM executor.events
        WHERE execution_id = id AND kind = 'started') AS begun,
       (SELECT count(*) = max(seq) FROM executor.events WHERE execution_id = id) AS gapless,
       (SELECT kind FROM executor.events WHERE execution_id = id
        ORDER BY seq DESC LIMIT 1) AS last
FROM executor.executions
"""


@dataclass
class Verdict:
    """Counts over all executions of one fault.

    Attributes:
        lost: Accepted, but unknown or not ended in time.
        duplicated: Begun more than once, or several for one idempotency key.
        untruthful: Ended with a status that is not what happened.
        leaked: See `leaks`.
        troubled: Calls that had to ask again, or were kept waiting.
    """

    fault: str
    accepted: int = 0
    terminal: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    untruthful: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    troubled: int = 0
    recovery_s: float = 0.0

    HEADER = (
        "fault                       accepted terminal lost duplicated leaked  recovery troubled"
        "  ends"
    )

    def row(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ends.items()))
        return (
            f"{self.fault:<27} {self.accepted:>8} {self.terminal:>8} {len(self.lost):>4} "
            f"{len(self.duplicated):>10} {len(self.leaked):>6} {self.recovery_s:>7.1f} s "
            f"{self.troubled:>8}  {ends}"
        )

    def add(self, other: "Verdict") -> None:
        """Adds the counts of another fault."""
        self.accepted += other.accepted
        self.terminal += other.terminal
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.untruthful += other.untruthful
        self.leaked += other.leaked
        self.ends += other.ends
        self.troubled += other.troubled
        self.recovery_s = max(self.recovery_s, other.recovery_s)

    @property
    def problems(self) -> list[str]:
        return [*self.lost, *self.duplicated, *self.untruthful, *self.leaked]


async def judge(fault: str, site: Site, load: Load, since: float, before: Held) -> Verdict:
    """Waits until all has ended, for at most `RECOVERY_S` after `since`, and counts.

    Args:
        since: When the fault was over, by the monotonic clock.
        before: What the stack held before the load.
    """
    # The callers', and the one that showed that life goes on.
    verdict = Verdict(fault, accepted=len(load.accepted) + 1, troubled=len(load.troubled))
    rows = await _until_ended(site, since)
    verdict.recovery_s = time.monotonic() - since
    known = {str(row["id"]): row for row in rows}
    for row in rows:
        ended = row["status"] in _FINAL
        verdict.terminal += ended
        verdict.ends[row["status"] if not row["reason"] else row["reason"]] += 1
        if not ended:
            verdict.lost.append(f"{row['id']} is {row['status']}")
        if row["begun"] > 1:
            verdict.duplicated.append(f"{row['id']} began {row['begun']} times")
        if problem := _untruth(row):
            verdict.untruthful.append(f"{row['id']} {problem}")
    for call in load.accepted:
        verdict.lost += [f"{each} is unknown" for each in call.ids - known.keys()]
        if len(call.ids) > 1:
            verdict.duplicated.append(f"call {call.number} got {len(call.ids)} executions")
    for call in load.calls:
        if call.result is None:
            verdict.lost.append(f"call {call.number} was never accepted: {call.refusals}")
    verdict.leaked = await leaks(site, before, rows)
    return verdict


async def forget(site: Site) -> None:
    """Removes all executions, so that the next fault counts its own."""
    await site.fetch("TRUNCATE executor.executions CASCADE")


async def _until_ended(site: Site, since: float) -> list[Any]:
    while True:
        rows = await site.fetch(_EXECUTIONS)
        waiting = [row for row in rows if row["status"] not in _FINAL]
        if not waiting or time.monotonic() - since > RECOVERY_S:
            return rows
        await asyncio.sleep(0.2)


def _untruth(row: Any) -> str:
    """Says what is wrong with an execution's record; empty when nothing is."""
    if row["status"] not in _FINAL:
        return ""
    if not row["gapless"] or row["last"] != "finished":
        return "has a gap in its events, or no end"
    if row["status"] == "success":
        if row["output_json"] != row["input_json"]:
            return f"succeeded with the output {row['output_json']} for {row['input_json']}"
        return "" if list(row["files"]) == ["number.txt"] else "succeeded without its file"
    if row["reason"] not in _EXPLAINED:
        return f"ended as {row['status']} ({row['reason']})"
    if row["reason"] in _STARTED and not row["begun"]:
        return f"was given up ({row['reason']}) although it never started"
    return ""
