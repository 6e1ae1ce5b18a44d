"""Reads back from the kernel how a box is isolated."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from skillbox_executor.sandbox.bubblewrap_command import UID, writable
from skillbox_executor.sandbox.cgroups import Group
from skillbox_executor.sandbox.interface import DEPENDENCIES, Control, Limits, Profile, Role

_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
_CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_DEVICES = {f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")}
_READ_ONLY = {"/", "/usr", "/dev", "/proc/sys"}
_FLAGS = {"noexec", "nosuid", "nodev"}


@dataclass(frozen=True)
class _Mount:
    point: str
    options: frozenset[str]
    kind: str
    size: int


@dataclass(frozen=True)
class _Identity:
    """A user or group: its number in the box, if it has exactly one, and on the host."""

    inside: int | None
    outside: str

    def __str__(self) -> str:
        inside = str(self.inside)
        return inside if inside == self.outside else f"{inside} ({self.outside} on the host)"


def read_controls(pid: int, group: Group, profile: Profile, filters: int) -> Sequence[Control]:
    """Reads the controls of a box.

    Args:
        pid: PID 1 of the box, running the runner.
        profile: What was asked for; the control groups say what its limits are.
        filters: How many seccomp filters were asked for.
    """
    status = _status(pid)
    mounts = {mount.point: mount for mount in _mounts(pid)}
    shares = {"net"} if profile.role is Role.BUILD else set()
    return (
        *_isolation(pid, status, shares, filters),
        *_file_systems(mounts, profile.limits),
        *_dependencies(mounts, profile.dependencies),
        *_limits(group, profile.limits),
    )


def missing_controls(controls: Sequence[Control]) -> Sequence[str]:
    """Names the controls that could not be applied."""
    return [each.name for each in controls if not each.applied]


def _isolation(
    pid: int, status: dict[str, str], shares: set[str], filters: int
) -> Iterator[Control]:
    shared = {name for name in _NAMESPACES if _own_namespace(name) == _namespace(pid, name)}
    capabilities = {status[name].lstrip("0") for name in _CAPABILITY_SETS}
    yield Control("network", "host" if "net" in shared else "none", shared <= shares)
    own = [name for name in _NAMESPACES if name not in shared]
    yield Control("namespaces", ",".join(own), shared <= shares)
    yield Control("capabilities", ",".join(sorted(capabilities)) or "none", capabilities == {""})
    no_new = status["NoNewPrivs"] == "1"
    yield Control("no_new_privileges", _word(no_new), no_new)
    # Mode 2 is filters; the kernel counts them since 5.10.
    loaded = status["Seccomp"] == "2" and status.get("Seccomp_filters") == str(filters)
    yield Control("seccomp", f"{status.get('Seccomp_filters', 'no')} filters", loaded)
    user, group = (_identity(pid, status, kind) for kind in ("uid", "gid"))
    yield Control("user", f"{user}:{group}", user.inside == group.inside == UID)


def _file_systems(mounts: dict[str, _Mount], limits: Limits) -> Iterator[Control]:
    fixed = {point for point, mount in mounts.items() if "ro" in mount.options}
    read_only = fixed >= _READ_ONLY
    yield Control("read_only_root", _word(read_only), read_only)
    expected = writable(limits)
    found = {
        mount.point: mount
        for mount in mounts.values()
        if "rw" in mount.options and not _holds_no_files(mount)
    }
    sizes = {point: mount.size for point, mount in found.items()}
    value = "; ".join(f"{point} (size={size})" for point, size in sorted(sizes.items()))
    # The kernel rounds up to whole pages.
    page = os.sysconf("SC_PAGE_SIZE")
    rounded = {point: -(-size // page) * page for point, size in expected.items()}
    yield Control("writable", value, sizes == rounded)
    noexec = all(mount.options >= _FLAGS for mount in found.values())
    yield Control("noexec", _word(noexec), noexec)


def _dependencies(mounts: dict[str, _Mount], digest: str) -> Iterator[Control]:
    mount = mounts.get(DEPENDENCIES)
    if digest or mount:
        read_only = mount is not None and "ro" in mount.options
        yield Control("dependencies", f"{digest} at {DEPENDENCIES}", bool(digest) and read_only)


def _limits(group: Group, limits: Limits) -> Iterator[Control]:
    without = "no control group can be made here"
    memory, pids, cpus = group.memory(), group.pids(), group.cpus()
    yield Control("memory", without if memory is None else f"{memory} bytes", memory is not None)
    fallback = f"{without}; RLIMIT_NPROC {limits.pids}"
    yield Control("pids", fallback if pids is None else str(pids), pids is not None)
    yield Control("cpus", without if cpus is None else f"{cpus:g}", cpus is not None)


def _holds_no_files(mount: _Mount) -> bool:
    return mount.kind in ("proc", "devpts") or mount.point in _DEVICES


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@cache
def _own_namespace(name: str) -> str:
    return _namespace("self", name)


def _namespace(pid: int | str, name: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{name}").readlink())


def _identity(pid: int, status: dict[str, str], kind: str) -> _Identity:
    ids = set(status[kind.capitalize()].split())
    ranges = Path(f"/proc/{pid}/{kind}_map").read_text().split()
    if len(ids) != 1 or len(ranges) != 3 or ranges[2] != "1" or ranges[1] not in ids:
        return _Identity(None, "/".join(sorted(ids)))
    return _Identity(int(ranges[0]), ranges[1])


def _mounts(pid: int) -> Iterator[_Mount]:
    for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        point, options = before.split()[4:6]
        kind, _, more = after.split(" ", 2)
        size = re.search(r"\bsize=(\d+)k\b", more)
        kibibytes = int(size[1]) if size else 0
        yield _Mount(point, frozenset(options.split(",")), kind, kibibytes * 1024)


def _word(value: bool) -> str:
    return "yes" if value else "no"
