"""The command line that starts a box: a launcher, then bubblewrap, then the runner as PID 1.

bubblewrap cannot make a tmpfs noexec. So the launcher first enters a mount namespace of its own,
mounts the writable file systems there, and bubblewrap binds them into the box: an outer mount's
flags cannot be taken off from inside.
"""

import os
import resource
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from skillbox_executor.sandbox.interface import (
    DEPENDENCIES,
    EngineUnavailable,
    ImageMissing,
    Language,
    Limits,
)

UID = 65534
BOX_PATH = "/usr/local/bin:/usr/bin:/bin"
LAUNCHER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MIB = 1024 * 1024
_MODES = {"/sandbox": "0755", "/tmp": "1777", "/root": "0700", "/dev/shm": "1777"}  # noqa: S108 - in the box
_OPEN_FILES = 1024
_PACKAGES = {
    "bwrap": "bubblewrap",
    "mount": "mount",
    "prlimit": "util-linux",
    "setpriv": "util-linux",
    "sh": "dash",
    "unshare": "util-linux",
}
_INTERPRETERS = {
    Language.PYTHON: ("python3", "python3"),
    Language.NODE: ("node", "nodejs"),
    Language.BASH: ("bash", "bash"),
}
_SYSTEM_LINKS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_ETC_FILES = ("alternatives", "ld.so.cache", "localtime")
# How programs find and trust others in a network.
_NETWORK_FILES = ("nsswitch.conf", "resolv.conf", "ssl")
# Kernel details that engines hide too.
_HIDDEN = ("acpi", "asound", "kcore", "key-users", "keys", "latency_stats", "scsi", "timer_list")
_ENVIRONMENT = {"PATH": BOX_PATH, "LANG": "C.UTF-8", "HOME": "/tmp"}  # noqa: S108 - in the box
_PASSWD = b"nobody:x:65534:65534:nobody:/tmp:/bin/sh\n"
_GROUP = b"nogroup:x:65534:\n"
_HOSTS = b"127.0.0.1 localhost\n::1 localhost\n"


def writable(limits: Limits) -> dict[str, int]:
    """Returns the writable places of a box and the size of each in bytes."""
    sizes = (limits.sandbox_bytes, 64 * _MIB, _MIB, 16 * _MIB)
    return dict(zip(_MODES, sizes, strict=True))


def check_tools() -> None:
    """Returns when all programs that start a box are there.

    Raises:
        EngineUnavailable: One is missing; the text says how to get it.
    """
    for tool, package in _PACKAGES.items():
        if shutil.which(tool, path=LAUNCHER_PATH) is None:
            raise EngineUnavailable(f"{tool} is missing: apt-get install {package}")


def check_interpreter(language: Language) -> Path:
    """Returns the program of a language, when the host has it where a box sees it.

    Raises:
        ImageMissing: It has not; the text says how to get it.
    """
    name, package = _INTERPRETERS[language]
    found = shutil.which(name, path=BOX_PATH)
    if found is None or not Path(found).resolve().is_relative_to("/usr"):
        raise ImageMissing(
            f"bubblewrap runs {language.value} from the host, which has no {name} in /usr/bin "
            f"or /usr/local/bin: apt-get install {package}"
        )
    return Path(found).resolve()


def command_line(
    inside: Sequence[str],
    *,
    limits: Limits,
    network: bool = False,
    dependencies: Path | None = None,
    filters: Sequence[bytes],
    info: int,
    gate: int,
    give: Callable[[bytes], int],
) -> list[str]:
    """Builds the command line of a box.

    Args:
        inside: What PID 1 of the box runs.
        network: Whether the box has the host's network.
        dependencies: Folder of a dependency set.
        filters: BPF programs.
        info: Descriptor to which bubblewrap writes JSON with PID 1's number on the host.
        gate: Descriptor at which PID 1 waits, isolated, until there is a byte to read.
        give: Makes a descriptor, open in the new process, that reads the given bytes.
    """
    as_root = os.geteuid() == 0
    places = writable(limits)
    launcher = ["unshare", "--mount"]
    launcher += [] if as_root else ["--user", "--map-root-user"]
    launcher += ["--", "sh", "-euc", _stage(places, as_root), "sh", str(dependencies or "")]
    if as_root:
        launcher += ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]
    box = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    box += ["--new-session", "--as-pid-1", "--clearenv", "--cap-drop", "ALL"]
    box += ["--uid", str(UID), "--gid", str(UID), "--hostname", "sandbox"]
    box += _system(give)
    if network:
        box += ["--share-net"]
        for name in _NETWORK_FILES:
            box += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    if dependencies:
        box += ["--ro-bind", _staged(DEPENDENCIES), DEPENDENCIES]
    for place in places:
        box += ["--bind", _staged(place), place]
    box += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/sandbox"]
    for name, value in _ENVIRONMENT.items():
        box += ["--setenv", name, value]
    for program in filters:
        box += ["--add-seccomp-fd", str(give(program))]
    box += ["--info-fd", str(info), "--block-fd", str(gate)]
    return [*launcher, *box, "--", *_resource_limits(limits), *inside]


def _resource_limits(limits: Limits) -> list[str]:
    # Set inside, where processes are counted per user namespace: so per box. Where there is a
    # control group it counts too.
    processes = _lowered(resource.RLIMIT_NPROC, limits.pids)
    files = _lowered(resource.RLIMIT_NOFILE, _OPEN_FILES)
    return ["prlimit", f"--nproc={processes}", f"--nofile={files}", "--core=0", "--"]


def _lowered(kind: int, wanted: int) -> int:
    """Returns `wanted`, or less where this process may not have as much."""
    ceiling = resource.getrlimit(kind)[1]
    return wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)


def _staged(place: str) -> str:
    return "/tmp/" + place.strip("/").replace("/", "-")  # noqa: S108 - in the launcher's namespace


def _stage(places: dict[str, int], as_root: bool) -> str:
    owner = f",uid={UID},gid={UID}" if as_root else ""
    flags = "nosuid,nodev,noexec"
    set_place = _staged(DEPENDENCIES)
    lines = [
        # The box's user may not pass to the folder of a dependency set, hence a stage for it
        # too. It may lie where the next mount is: from here on it is the current directory.
        'dependencies=$1; shift; cd "${dependencies:-/}"',
        # Covers the host's /tmp in this namespace: a folder that every host has.
        f"mount -t tmpfs -o mode=0755,size=64k,{flags} stage /tmp",
        f'if [ "$dependencies" ]; then mkdir {set_place}; mount -c --bind . {set_place}; cd /; fi',
    ]
    lines.append(f"mkdir {' '.join(map(_staged, places))}")
    for place, size in places.items():
        target, mode = _staged(place), _MODES[place]
        lines.append(f"mount -t tmpfs -o mode={mode},size={size},{flags}{owner} box {target}")
    return "\n".join([*lines, 'exec "$@"'])


def _system(give: Callable[[bytes], int]) -> list[str]:
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_LINKS:
        folder = Path("/", name)
        if folder.is_symlink():
            options += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            options += ["--ro-bind", str(folder), str(folder)]
    for name in _ETC_FILES:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name, content in {"passwd": _PASSWD, "group": _GROUP, "hosts": _HOSTS}.items():
        options += ["--perms", "0444", "--ro-bind-data", str(give(content)), f"/etc/{name}"]
    # A box owns its namespaces, so their settings would be its to change.
    options += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    for name in _HIDDEN:
        path = Path("/proc", name)
        if path.is_dir():
            options += ["--tmpfs", str(path), "--remount-ro", str(path)]
        elif path.exists():
            # A device cannot be opened on a mount that bubblewrap made.
            options += ["--ro-bind", "/dev/null", str(path)]
    return options
