"""The body of `POST /containers/create`: the one place that decides how a box is isolated.

It holds nothing of the caller's: two boxes of one profile have the same body, byte for byte
(aiodocker sends it with sorted keys). So a proxy in front of the engine can match it whole.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from skillbox_executor.runner import command
from skillbox_executor.sandbox.interface import DEPENDENCIES, Language, Profile, Role

MANAGED_BY = "managed-by"
MANAGER = "skillbox"
OWNER = "skillbox.owner"
GROUP_END = "/"
"""Ends the group in the owner `GROUP/REPLICA`; an owner without it is a group of one."""
PROFILE = "skillbox.profile"
LANGUAGE = "skillbox.language"

ATTACH = "detachKeys=&logs=0&stdin=1&stdout=1&stderr=1&stream=1"
"""The query of the request that attaches to a box."""

BUILDER_NETWORK = "bridge"
NOBODY = 65534
_MIB = 1024 * 1024
_OPEN_FILES = 1024
_NO_BINARIES = "rw,nosuid,nodev,noexec"


def create_body(profile: Profile, owner: str) -> dict[str, Any]:
    """Returns the body that makes a box of `profile`, labelled as `owner`'s."""
    body = _body(profile, owner)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    body["Labels"] = {
        **_owned_by(owner),
        PROFILE: digest,
        LANGUAGE: profile.language.value,
    }
    return body


def name_prefix(owner: str) -> str:
    """Returns how the names of a group's containers begin; an owner may be any text."""
    return f"skillbox-{_short(owner)}-"


def new_name(owner: str) -> str:
    """Returns a name for a container of `owner`.

    The driver addresses containers by their names, so that a proxy in front of the engine can
    tell them from those of others, which it could not by their ids.
    """
    return name_prefix(owner) + secrets.token_hex(16)


def owner_filter(owner: str) -> Mapping[str, list[str]]:
    """Returns the filter of `GET /containers/json` for an owner's containers."""
    return {"label": [f"{name}={value}" for name, value in _owned_by(owner).items()]}


def tasks(pids: int, runtime: str) -> int:
    """Returns the limit of the host's tasks that makes room for `pids` in a box."""
    # gVisor's kernel is threads on the host: about 50, and between 5 and 6 for each process.
    return pids * 8 if runtime.startswith("runsc") else pids


def volume_name(owner: str, dependencies: str) -> str:
    """Returns the name of the volume that holds a dependency set for an owner's boxes.

    Executors that share an engine need not trust what others have filled.
    """
    return f"skillbox-deps-{_short(owner)}-{dependencies}"


def _short(owner: str) -> str:
    # Replicas of one group have names alike, so that one proxy can serve them all.
    group = owner.partition(GROUP_END)[0]
    return hashlib.sha256(group.encode()).hexdigest()[:16]


def _owned_by(owner: str) -> dict[str, str]:
    return {MANAGED_BY: MANAGER, OWNER: owner}


def _body(profile: Profile, owner: str) -> dict[str, Any]:
    *interpreter, source = command(profile.language)
    fills = profile.role is Role.FILL
    # The engine makes a volume for root. Root without capabilities may write to what it owns,
    # and nobody else can change it.
    user = 0 if fills else NOBODY
    return {
        "Image": profile.image,
        # Both are set, so that the image's own entry point cannot come between.
        "Entrypoint": interpreter,
        "Cmd": [source],
        "Hostname": "sandbox",
        "User": f"{user}:{user}",
        # What a filler is fed lands in the volume, without a detour through memory.
        "WorkingDir": DEPENDENCIES if fills else "/sandbox",
        "NetworkDisabled": _without_network(profile),
        "Tty": False,
        "OpenStdin": True,
        # When the executor goes away, the waiting runner sees the end of its stdin and leaves.
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        # An image's own health check would be a second program in the box.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {**_host_config(profile), **_mounts(profile, owner)},
    }


def _without_network(profile: Profile) -> bool:
    """Tells whether the engine need not even set up its network of the type `none`.

    That is half of what a container costs before Docker 28. The container has a network namespace
    with a loopback all the same, but no /etc/hosts. So its runner has to know localhost.
    """
    return profile.role is not Role.BUILD and profile.language is not Language.BASH


def _mounts(profile: Profile, owner: str) -> dict[str, Any]:
    """Returns the mount of the profile's dependency set: read-only, but for its filler.

    The engine makes a volume that a body names, so nothing needs its API of volumes.
    """
    if not profile.dependencies:
        return {}
    mount = {
        "Type": "volume",
        "Source": volume_name(owner, profile.dependencies),
        "Target": DEPENDENCIES,
        "ReadOnly": profile.role is not Role.FILL,
        "VolumeOptions": {"NoCopy": True},
    }
    return {"Mounts": [mount]}


def _host_config(profile: Profile) -> dict[str, Any]:
    limits = profile.limits
    own = f"uid={NOBODY},gid={NOBODY}"
    return {
        "NetworkMode": BUILDER_NETWORK if profile.role is Role.BUILD else "none",
        "IpcMode": "private",
        "CapDrop": ["ALL"],
        # Docker's own seccomp profile stays in force as long as nothing is said about it.
        "SecurityOpt": ["no-new-privileges:true"],
        "ReadonlyRootfs": True,
        "Tmpfs": {
            "/sandbox": f"{_NO_BINARIES},size={limits.sandbox_bytes},mode=0755,{own}",
            "/tmp": f"{_NO_BINARIES},size={64 * _MIB},mode=1777",  # noqa: S108 (of the box)
            "/root": f"{_NO_BINARIES},size={_MIB},mode=0700,{own}",
        },
        # /dev/shm, without which Python's multiprocessing has no locks.
        "ShmSize": 16 * _MIB,
        "PidsLimit": tasks(limits.pids, profile.runtime),
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "NanoCpus": round(limits.cpus * 1e9),
        "CpuShares": limits.weight,
        "Ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "nofile", "Soft": _OPEN_FILES, "Hard": _OPEN_FILES},
        ],
        # What a skill prints belongs to its tenant, not into the engine's log files.
        "LogConfig": {"Type": "none"},
        "Runtime": profile.runtime,
    }
