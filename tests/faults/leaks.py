"""What a stack holds of the machine, before a fault and after it."""

import asyncio
import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from skillbox_executor.sandbox.docker_engine import connect
from tests.faults.site import POOL_SIZE, REPLICAS, Site

_SETTLE_S = 8.0
# Warm boxes, caches and channels come and go; two for each run would be more.
_SPARE_FILES = 40
_SERVICES = 3
# Its Executors listen for notifications, each on a connection beside its pool.
_MOST_CONNECTIONS = REPLICAS * (_SERVICES * POOL_SIZE + 1)
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Held:
    """What is there at a moment when nothing runs.

    Attributes:
        files: How many open files each service has.
        temporary: Names of temporary files and folders.
    """

    files: dict[str, int]
    temporary: frozenset[str]


def held(site: Site) -> Held:
    files = {}
    for name, process in site.processes().items():
        with suppress(psutil.NoSuchProcess):
            files[name] = process.num_fds()
    temporary = {str(each.relative_to(site.temp)) for each in site.temp.rglob("*")}
    return Held(files, frozenset(temporary))


async def leaks(site: Site, before: Held, executions: list[Any]) -> list[str]:
    """Returns what is still there that should be gone. Tear-down takes a moment."""
    used = {json.loads(row["sandbox"])["id"] for row in executions if row["sandbox"]}
    found: list[str] = []
    async with asyncio.timeout(10 * _SETTLE_S):
        for _ in range(round(_SETTLE_S / 0.2)):
            found = [
                *await _boxes(site, used),
                *_control_groups(site, used),
                *_files(before, held(site)),
                *await _connections(site),
            ]
            if not found:
                break
            await asyncio.sleep(0.2)
    return found


async def _boxes(site: Site, used: set[str]) -> list[str]:
    """Returns boxes of runs that have ended, and those whose Executor is not their maker."""
    since = {
        owner: site.processes(program)[program].create_time()
        for program, owner in site.owners.items()
        if program in site.processes("executor")
    }
    boxes = await _containers(site) if site.engine else _processes(site)
    found = [f"box {box} of an ended run" for _, box, _ in boxes if box in used]
    found += [
        f"box {box} of a dead executor"
        for owner, box, born in boxes
        if box not in used and born < since.get(owner, 0.0)
    ]
    if site.engine:
        found += [f"process {pid} of a box" for pid in _contained(used)]
    return found


def _processes(site: Site) -> set[tuple[str, str, float]]:
    """Returns the owner, id and birth of bubblewrap's boxes, also of those without a parent."""
    owners = set(site.owners.values())
    found: dict[tuple[str, str], float] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            owner, _, box = process.environ().get("SKILLBOX_BOX", "").partition("/")
            if owner in owners:
                born = min(process.create_time(), found.get((owner, box), float("inf")))
                found[owner, box] = born
    return {(owner, box, born) for (owner, box), born in found.items()}


async def _containers(site: Site) -> set[tuple[str, str, float]]:
    """Returns the owner, id and birth of each container, in any state."""
    assert site.engine is not None
    async with connect(site.engine.host) as docker:
        containers = await docker.containers.list(all=True)
    return {
        (each["Labels"].get("skillbox.owner", ""), each["Id"], float(each["Created"] + 1))
        for each in containers
    }


def _contained(boxes: set[str]) -> list[int]:
    """Returns processes that live in the control groups of these containers."""
    found = []
    for pid in psutil.pids():
        with suppress(OSError):
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            found += [pid] if any(box in groups for box in boxes) else []
    return found


def _control_groups(site: Site, used: set[str]) -> list[str]:
    parents = {f"skillbox-{owner}" for owner in site.owners.values()}
    # Unlike `glob`, a walk does not mind that groups go meanwhile.
    return [
        f"control group {folder}/{name}"
        for folder, names, _ in os.walk(_CGROUPS)
        if Path(folder).name in parents
        for name in names
        if name in used
    ]


def _files(before: Held, now: Held) -> list[str]:
    more = Counter(now.files) - Counter(before.files)
    return [
        *(f"{count} open files of {name}" for name, count in more.items() if count > _SPARE_FILES),
        *(f"temporary file {name}" for name in sorted(now.temporary - before.temporary)),
    ]


async def _connections(site: Site) -> list[str]:
    rows = await site.fetch(
        """
        SELECT application_name AS who, state, now() - state_change > '2 seconds' AS long
        FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
        """
    )
    stuck = [f"{row['who']} is {row['state']}" for row in rows if row["long"] and _holds(row)]
    too_many = len(rows) > _MOST_CONNECTIONS
    return [*stuck, *([f"{len(rows)} database connections"] if too_many else [])]


def _holds(row: Any) -> bool:
    return row["state"] is not None and row["state"].startswith("idle in transaction")
