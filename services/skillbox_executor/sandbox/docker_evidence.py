"""Compares how a container is isolated with how it was meant to be."""

from collections.abc import Mapping, Sequence
from typing import Any

from skillbox_executor.sandbox.interface import Control

_APPARMOR_OFF = ("", "unconfined")
_NO_APPARMOR = "not on this engine"


def read_controls(
    asked: Mapping[str, Any], container: Mapping[str, Any], engine: Mapping[str, Any]
) -> Sequence[Control]:
    """Returns every control as it is on a running container.

    Args:
        asked: The body it was created with.
        container: What the engine says about it (`GET /containers/{id}/json`).
        engine: What the engine says about itself (`GET /info`).
    """
    config, host = container["Config"], container["HostConfig"]

    def same(*keys: str) -> bool:
        """Tells whether settings are as asked; those not asked for must be empty."""
        wanted: Mapping[str, Any] = asked["HostConfig"]
        return all((host.get(key) or None) == (wanted.get(key) or None) for key in keys)

    seccomp = _seccomp(engine)
    apparmor = container.get("AppArmorProfile") or ""
    mounted = [(each["Name"], each["Destination"], each["RW"]) for each in _volumes(container)]
    expected = [
        (each["Source"], each["Target"], not each["ReadOnly"])
        for each in asked["HostConfig"].get("Mounts", ())
    ]
    writable = [f"{path} ({options})" for path, options in (host.get("Tmpfs") or {}).items()]
    writable.append(f"/dev/shm (size={host['ShmSize']})")  # noqa: S108 (of the box)
    writable += [path for _, path, may_write in mounted if may_write]
    user = str(config["User"])
    return (
        Control(
            "network",
            host["NetworkMode"],
            same("NetworkMode", "Links", "PortBindings")
            and bool(config.get("NetworkDisabled")) == asked["NetworkDisabled"],
        ),
        Control(
            "capabilities",
            "none" if same("CapDrop", "CapAdd", "Privileged") else "some",
            same("CapDrop", "CapAdd", "Privileged", "Devices", "DeviceRequests"),
        ),
        Control("read_only_root", _word(host["ReadonlyRootfs"]), same("ReadonlyRootfs")),
        Control(
            "writable",
            "; ".join(writable),
            same("Tmpfs", "ShmSize", "Binds", "VolumesFrom") and mounted == expected,
        ),
        *(Control("dependencies", f"{name} at {path}") for name, path, _ in mounted),
        Control("pids", str(host["PidsLimit"]), same("PidsLimit")),
        Control("no_new_privileges", _word(same("SecurityOpt")), same("SecurityOpt")),
        Control("seccomp", seccomp, seccomp not in ("", "unconfined") and same("SecurityOpt")),
        # Asked for by nobody: the engine applies its profile where the kernel has AppArmor.
        Control("apparmor", apparmor or _without_apparmor(engine), apparmor not in _APPARMOR_OFF),
        Control("user", user, user == asked["User"] and same("UsernsMode", "GroupAdd")),
        Control("memory", f"{host['Memory']} bytes", same("Memory", "MemorySwap")),
        Control("cpus", f"{host['NanoCpus'] / 1e9:g}", same("NanoCpus", "CpuShares")),
        Control("ipc", host["IpcMode"], same("IpcMode", "PidMode", "UTSMode")),
        Control("runtime", host["Runtime"], same("Runtime")),
    )


def missing_controls(controls: Sequence[Control]) -> Sequence[str]:
    """Names the controls without which a box must not be used."""
    return [each.name for each in controls if not each.applied and each.value != _NO_APPARMOR]


def _volumes(container: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    # A mount that is no volume has no name, and passes for none.
    return [{"Name": "", "RW": True, **mount} for mount in container.get("Mounts") or []]


def _without_apparmor(engine: Mapping[str, Any]) -> str:
    has_it = "name=apparmor" in (engine.get("SecurityOptions") or [])
    return "unconfined" if has_it else _NO_APPARMOR


def _seccomp(engine: Mapping[str, Any]) -> str:
    """Returns the name of the engine's seccomp profile, or nothing when it has none."""
    for option in engine.get("SecurityOptions") or []:
        fields = dict(part.partition("=")[::2] for part in option.split(","))
        if fields.get("name") == "seccomp":
            return str(fields.get("profile", ""))
    return ""


def _word(value: bool) -> str:
    return "yes" if value else "no"
