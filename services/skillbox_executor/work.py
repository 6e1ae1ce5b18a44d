"""What a replica needs to run an execution, beside its row."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from skillbox_executor.domain import RunRequest
from skillbox_executor.skills import Skill


@dataclass(frozen=True)
class Work:
    """A request and the version of the skill that it was resolved to when it was accepted.

    Attributes:
        trace: Of the call that asked for it, as W3C headers; empty without one.
    """

    request: RunRequest
    skill: Skill
    trace: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> str:
        """Returns it as text, without the input, which the row has already."""
        stored = replace(self, request=replace(self.request, input_json=""))
        return msgspec.json.encode(stored).decode()

    @classmethod
    def decode(cls, text: str, input_json: str) -> "Work":
        """Reads what `encode` of this or an older revision wrote."""
        work = msgspec.json.decode(text, type=cls)
        return replace(work, request=replace(work.request, input_json=input_json))
