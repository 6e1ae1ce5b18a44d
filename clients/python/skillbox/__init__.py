"""Skillbox: run skills of AI agents in a sandbox. `Client` is the way in."""

from typing import TYPE_CHECKING

from skillbox.client import (
    APIError,
    ApiKey,
    Client,
    Event,
    Execution,
    ExecutionPage,
    NewApiKey,
    RunResult,
    Skill,
    SkillDetail,
    SkillFile,
)

if TYPE_CHECKING:
    __version__: str

__all__ = [
    "APIError",
    "ApiKey",
    "Client",
    "Event",
    "Execution",
    "ExecutionPage",
    "NewApiKey",
    "RunResult",
    "Skill",
    "SkillDetail",
    "SkillFile",
    "__version__",
]


def __getattr__(name: str) -> str:
    # Reading the metadata costs more than all the rest of this package.
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - see above

        return version("skillbox")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
