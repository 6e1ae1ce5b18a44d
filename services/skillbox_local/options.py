"""What the user may choose about a local stack."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class SandboxChoice(StrEnum):
    """Which driver makes the boxes; `auto` takes Docker when it can, else bubblewrap."""

    AUTO = "auto"
    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"


@dataclass(frozen=True)
class Options:
    """How to run the stack.

    Attributes:
        port: Port of the API; 0 takes any free one.
        replicas: Processes of each service.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    sandbox: SandboxChoice = SandboxChoice.AUTO
    replicas: int = 1


def default_data_dir() -> Path:
    """Returns `$XDG_DATA_HOME/skillbox` where that is set, else `~/.skillbox`."""
    xdg = os.environ.get("XDG_DATA_HOME")
    return Path(xdg, "skillbox") if xdg else Path.home() / ".skillbox"
