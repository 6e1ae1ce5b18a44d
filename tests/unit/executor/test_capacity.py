"""Limits of control groups, of both versions, in imitated folders."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from skillbox_executor.capacity import Capacity, capacity
from skillbox_executor.config import ExecutorSettings, default_concurrency

Make = Callable[[dict[str, str]], Path]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def version_1(tmp_path: Path) -> Make:
    """Makes groups of version 1: the process is in /outer/inner of each hierarchy."""

    def make(files: dict[str, str]) -> Path:
        mounts = "".join(
            f"1 1 0:1 / {tmp_path}/{name} rw - cgroup cgroup rw,{name}\n"
            for name in ("cpu", "memory", "pids")
        )
        own = "".join(f"1:{name}:/outer/inner\n" for name in ("cpu", "memory", "pids"))
        write(tmp_path / "proc/self", {"mountinfo": mounts, "cgroup": own})
        write(tmp_path, files)
        return tmp_path / "proc"

    return make


@pytest.fixture
def version_2(tmp_path: Path) -> Make:
    """Makes groups of version 2: the process is in /outer/inner."""

    def make(files: dict[str, str]) -> Path:
        mounts = f"1 1 0:1 / {tmp_path}/all rw - cgroup2 cgroup2 rw\n"
        write(tmp_path / "proc/self", {"mountinfo": mounts, "cgroup": "0::/outer/inner\n"})
        write(tmp_path / "all", {"cgroup.controllers": "cpu memory pids", **files})
        return tmp_path / "proc"

    return make


def test_version_1_with_limits_at_several_levels(version_1: Make) -> None:
    proc = version_1(
        {
            "cpu/outer/inner/cpu.cfs_quota_us": "50000\n",
            "cpu/outer/inner/cpu.cfs_period_us": "100000\n",
            "cpu/cpu.cfs_quota_us": "-1\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "memory/outer/inner/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/outer/memory.limit_in_bytes": "1048576\n",
            "pids/outer/inner/pids.max": "max\n",
            "pids/outer/pids.max": "77\n",
        }
    )
    found = capacity(proc)
    assert (found.cpus, found.memory, found.pids) == (0.5, 1048576, 77)


def test_version_2_with_limits_at_several_levels(version_2: Make) -> None:
    proc = version_2(
        {
            "outer/inner/cpu.max": "max 100000\n",
            "outer/cpu.max": "25000 100000\n",
            "outer/inner/memory.max": "2097152\n",
            "outer/memory.max": "1048576\n",
            "outer/inner/pids.max": "12\n",
        }
    )
    found = capacity(proc)
    assert (found.cpus, found.memory, found.pids) == (0.25, 1048576, 12)


@pytest.mark.parametrize("version", ["version_1", "version_2"])
def test_without_limits_the_machine_counts(version: str, request: pytest.FixtureRequest) -> None:
    found = capacity(request.getfixturevalue(version)({}))
    assert found.cpus >= 1
    assert found.memory == psutil.virtual_memory().total
    assert found.pids is None
    assert found.files > 0


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    assert capacity(tmp_path).memory == psutil.virtual_memory().total


SETTINGS = {
    "execs_per_cpu": 4.0,
    "exec_memory": 256 << 20,
    "exec_files": 16,
    "exec_pids": 32,
    "execs_cap": 64,
}
ROOMY = Capacity(cpus=1000, memory=1 << 50, files=1 << 30, pids=None)


@pytest.mark.parametrize(
    ("has", "count"),
    [
        (ROOMY, 64),
        (Capacity(cpus=2.5, memory=1 << 50, files=1 << 30, pids=None), 10),
        (Capacity(cpus=1000, memory=1 << 30, files=1 << 30, pids=None), 2),
        (Capacity(cpus=1000, memory=1 << 50, files=1024, pids=None), 32),
        (Capacity(cpus=1000, memory=1 << 50, files=1 << 30, pids=320), 5),
        (Capacity(cpus=0.1, memory=1, files=1, pids=1), 1),
    ],
)
def test_the_scarcest_decides(monkeypatch: pytest.MonkeyPatch, has: Capacity, count: int) -> None:
    monkeypatch.setattr("skillbox_executor.config.capacity", lambda: has)
    assert default_concurrency(SETTINGS) == count


def test_settings_reckon_with_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skillbox_executor.config.capacity", lambda: ROOMY)
    for name in ("DB_DSN", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        monkeypatch.setenv(f"SKILLBOX_{name}", "x")
    monkeypatch.setenv("SKILLBOX_EXECS_CAP", "7")
    monkeypatch.setenv("SKILLBOX_MAX_QUEUE", "9")
    limits = ExecutorSettings().limits
    assert (limits.slots, limits.queue, limits.tenant_queue) == (7, 9, 5)
    monkeypatch.setenv("SKILLBOX_MAX_CONCURRENT_EXECS", "100")
    assert ExecutorSettings().limits.slots == 100
