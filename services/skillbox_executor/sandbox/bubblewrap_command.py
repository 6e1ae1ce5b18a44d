"""What starts a box: mounts of its own, then bubblewrap, then the runner as PID 1."""

import os
import resource
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from skillbox_executor.runner import command
from skillbox_executor.runner.compiled import compiled, compiled_command
from skillbox_executor.sandbox.bubblewrap_launcher import Launch
from skillbox_executor.sandbox.bubblewrap_zygote import STAGE
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
_PACKAGES = {"bwrap": "bubblewrap", "prlimit": "util-linux"}
_INTERPRETERS = {
    Language.PYTHON: ("python3", "python3"),
    Language.NODE: ("node", "nodejs"),
    Language.BASH: ("bash", "bash"),
}
_SYSTEM_LINKS = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
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


def check_tools() -> dict[str, str]:
    """Returns the paths of the programs that start a box.

    Raises:
        EngineUnavailable: One is missing; the text says how to get it.
    """
    found = {}
    for tool, package in _PACKAGES.items():
        path = shutil.which(tool, path=LAUNCHER_PATH)
        if path is None:
            raise EngineUnavailable(f"{tool} is missing: apt-get install {package}")
        found[tool] = path
    return found


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


def needed(dependency_dir: Path) -> list[str]:
    """Returns the paths of the host that boxes are made of."""
    files = [Path("/etc", name).resolve() for name in _NETWORK_FILES]
    folders = [Path("/", name).resolve() for name in ("usr", "etc", *_SYSTEM_LINKS)]
    devices = [f"/dev/{name}" for name in _DEVICES]
    return [*map(str, {*files, *folders, dependency_dir.resolve()}), *devices, "/proc/self"]


def launch(
    language: Language,
    interpreter: Path,
    *,
    limits: Limits,
    environment: Mapping[str, str],
    network: bool = False,
    dependencies: Path | None = None,
    filters: Sequence[bytes],
    info: int,
    gate: int,
    give: Callable[[bytes], int],
) -> Launch:
    """Says how to start a box.

    Args:
        language: Of the runner that PID 1 of the box runs.
        interpreter: What `check_interpreter` found for it.
        environment: Of bubblewrap; the box does not see it.
        network: Whether the box has the host's network.
        dependencies: Folder of a dependency set.
        filters: BPF programs.
        info: Descriptor to which bubblewrap writes JSON with PID 1's number on the host.
        gate: Descriptor at which PID 1 waits, isolated, until there is a byte to read.
        give: Makes a descriptor, open in the new process, that reads the given bytes.
    """
    as_root = os.geteuid() == 0
    owner = f",uid={UID},gid={UID}" if as_root else ""
    places = writable(limits)
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
    return Launch(
        program=check_tools()["bwrap"],
        argv=[*box, "--", *_resource_limits(limits), *_runner(language, interpreter, give)],
        environment=environment,
        tmpfs={
            _staged(place): f"mode={_MODES[place]},size={size}{owner}"
            for place, size in places.items()
        },
        # The box's user may not pass to the folder itself.
        bind={_staged(DEPENDENCIES): str(dependencies)} if dependencies else {},
        user=UID if as_root else 0,
    )


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
    return f"{STAGE}/{place.strip('/').replace('/', '-')}"


def _runner(language: Language, interpreter: Path, give: Callable[[bytes], int]) -> list[str]:
    if language is not Language.PYTHON:
        return command(language)
    # bubblewrap leaves a descriptor open that it does not know, and the runner closes it.
    return compiled_command(f"/proc/self/fd/{give(compiled(interpreter))}")


def _system(give: Callable[[bytes], int]) -> list[str]:
    options = [*_from_host()]
    for name, content in {"passwd": _PASSWD, "group": _GROUP, "hosts": _HOSTS}.items():
        options += ["--perms", "0444", "--ro-bind-data", str(give(content)), f"/etc/{name}"]
    return options


@cache
def _from_host() -> Sequence[str]:
    options = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_LINKS:
        folder = Path("/", name)
        if folder.is_symlink():
            options += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            options += ["--ro-bind", str(folder), str(folder)]
    for name in _ETC_FILES:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
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
