"""What a supervisor writes down about itself, for `status`, `down` and the next start."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessState:
    """One supervised process.

    Attributes:
        state: `starting`, `running`, `waiting` (for its next restart) or `stopped`.
        created: When the process started, in seconds since the epoch. With `pid` it tells a
            process from a later one that got the same number.
    """

    state: str
    pid: int | None = None
    restarts: int = 0
    created: float = 0.0


@dataclass(frozen=True)
class State:
    """A supervisor and its processes.

    Attributes:
        phase: `starting`, `running`, `stopping` or `stopped`.
        pid: The supervisor itself.
        sandbox_note: Why this driver was chosen, as one sentence.
        warning: What the user should know about that choice; "" for nothing.
        run_dir: Folder outside the data directory that belongs to this run; "" for none.
    """

    phase: str
    pid: int
    url: str
    data_dir: str
    sandbox: str
    sandbox_note: str
    warning: str
    docker_host: str
    run_dir: str
    services: dict[str, ProcessState]


def write(path: Path, state: State) -> None:
    """Replaces the file in one step, so that a reader never sees half of it."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(state), indent=2))
    new.replace(path)


def read(path: Path) -> State | None:
    """Returns what was written last; None when there is nothing that can be read."""
    try:
        values = json.loads(path.read_bytes())
        services = {name: ProcessState(**value) for name, value in values["services"].items()}
        return State(**{**values, "services": services})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
