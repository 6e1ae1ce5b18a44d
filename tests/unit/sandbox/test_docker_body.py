"""The body that makes a box, and the comparison with what an engine made of it."""

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from skillbox_executor.runner import command
from skillbox_executor.sandbox.docker_body import create_body
from skillbox_executor.sandbox.docker_evidence import missing_controls, read_controls
from skillbox_executor.sandbox.interface import Language, Limits, Profile

MIB = 1024 * 1024
PROFILE = Profile("python:3.12-slim", Language.PYTHON, Limits(256 * MIB, 0.5))
ENGINE = {"SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"]}


def test_the_body_is_exactly_this() -> None:
    body = create_body(PROFILE, "me")
    assert body.pop("Cmd") == command(Language.PYTHON)[-1:]
    digest = body["Labels"].pop("skillbox.profile")
    assert len(digest) == 64
    assert body == {
        "Image": "python:3.12-slim",
        "Entrypoint": ["python3", "-u", "-X", "utf8", "-B", "-c"],
        "Hostname": "sandbox",
        "User": "65534:65534",
        "WorkingDir": "/sandbox",
        "NetworkDisabled": True,
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {
            "managed-by": "skillbox",
            "skillbox.owner": "me",
            "skillbox.language": "python",
        },
        "HostConfig": {
            "NetworkMode": "none",
            "IpcMode": "private",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "ReadonlyRootfs": True,
            "Tmpfs": {
                "/sandbox": "rw,nosuid,nodev,noexec,size=268435456,mode=0755,uid=65534,gid=65534",
                "/tmp": "rw,nosuid,nodev,noexec,size=67108864,mode=1777",
                "/root": "rw,nosuid,nodev,noexec,size=1048576,mode=0700,uid=65534,gid=65534",
            },
            "ShmSize": 16777216,
            "PidsLimit": 128,
            "Memory": 268435456,
            "MemorySwap": 268435456,
            "NanoCpus": 500000000,
            "CpuShares": 1024,
            "Ulimits": [
                {"Name": "core", "Soft": 0, "Hard": 0},
                {"Name": "nofile", "Soft": 1024, "Hard": 1024},
            ],
            "LogConfig": {"Type": "none"},
            "Runtime": "runc",
        },
    }


def test_a_profile_has_one_body() -> None:
    bodies = {json.dumps(create_body(replace(PROFILE), "me"), sort_keys=True) for _ in range(2)}
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(PROFILE, image="python:3.11-slim"),
        replace(PROFILE, language=Language.NODE),
        replace(PROFILE, runtime="runsc"),
        *(
            replace(PROFILE, limits=replace(PROFILE.limits, **{name: 77 * MIB}))
            for name in ("memory_bytes", "cpus", "pids", "sandbox_bytes")
        ),
    ],
)
def test_other_profiles_have_another_label(other: Profile) -> None:
    labels = [create_body(each, "me")["Labels"]["skillbox.profile"] for each in (PROFILE, other)]
    assert labels[0] != labels[1]


def test_the_label_does_not_depend_on_the_owner() -> None:
    labels = [create_body(PROFILE, owner)["Labels"]["skillbox.profile"] for owner in ("a", "b")]
    assert labels[0] == labels[1]


def inspected(body: dict[str, Any]) -> dict[str, Any]:
    """Returns what an engine says about a container that it made as asked."""
    copy = deepcopy(body)
    host = copy.pop("HostConfig") | {"CapAdd": None, "Binds": None, "Privileged": False}
    return {"Config": copy, "HostConfig": host, "Mounts": [], "AppArmorProfile": "docker-default"}


def test_what_was_made_as_asked_has_all_controls() -> None:
    body = create_body(PROFILE, "me")
    controls = read_controls(body, inspected(body), ENGINE)
    assert all(control.applied for control in controls)
    values = {control.name: control.value for control in controls}
    assert values == values | {
        "network": "none",
        "capabilities": "none",
        "seccomp": "default",
        "apparmor": "docker-default",
        "user": "65534:65534",
        "memory": "268435456 bytes",
        "cpus": "0.5",
        "pids": "128",
        "runtime": "runc",
    }


@pytest.mark.parametrize(
    ("setting", "value", "control"),
    [
        ("NetworkMode", "default", "network"),
        ("CapDrop", None, "capabilities"),
        ("CapAdd", ["SYS_ADMIN"], "capabilities"),
        ("Privileged", True, "capabilities"),
        ("Devices", [{"PathOnHost": "/dev/sda"}], "capabilities"),
        ("ReadonlyRootfs", False, "read_only_root"),
        ("Tmpfs", {"/sandbox": ""}, "writable"),
        ("Binds", ["/:/host"], "writable"),
        ("ShmSize", 64 * MIB, "writable"),
        ("PidsLimit", None, "pids"),
        ("PidsLimit", 0, "pids"),
        ("SecurityOpt", None, "no_new_privileges"),
        ("SecurityOpt", ["no-new-privileges:true", "seccomp=unconfined"], "seccomp"),
        ("Memory", 0, "memory"),
        ("MemorySwap", -1, "memory"),
        ("NanoCpus", 0, "cpus"),
        ("CpuShares", 2048, "cpus"),
        ("IpcMode", "host", "ipc"),
        ("PidMode", "host", "ipc"),
        ("UsernsMode", "host", "user"),
        ("Runtime", "other", "runtime"),
    ],
)
def test_what_was_left_out_is_missing(setting: str, value: object, control: str) -> None:
    body = create_body(PROFILE, "me")
    container = inspected(body)
    container["HostConfig"][setting] = value
    assert control in missing_controls(read_controls(body, container, ENGINE))


def test_another_user_a_volume_and_an_engine_without_seccomp_are_missing_controls() -> None:
    body = create_body(PROFILE, "me")
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (inspected(body | {"User": "0"}), ENGINE, "user"),
        (inspected(body | {"NetworkDisabled": False}), ENGINE, "network"),
        (inspected(body) | {"Mounts": [{"Destination": "/data"}]}, ENGINE, "writable"),
        (inspected(body), {"SecurityOptions": None}, "seccomp"),
        (inspected(body), {"SecurityOptions": ["name=seccomp,profile=unconfined"]}, "seccomp"),
    ]
    for container, engine, control in cases:
        assert missing_controls(read_controls(body, container, engine)) == [control]


def test_an_engine_without_apparmor_is_told_but_good_enough() -> None:
    body = create_body(PROFILE, "me")
    container, engine = inspected(body) | {"AppArmorProfile": ""}, ENGINE["SecurityOptions"][1:]
    controls = read_controls(body, container, {"SecurityOptions": engine})
    assert [control.name for control in controls if not control.applied] == ["apparmor"]
    assert missing_controls(controls) == []


def test_a_container_that_the_engine_left_without_its_apparmor_is_not_good_enough() -> None:
    body = create_body(PROFILE, "me")
    controls = read_controls(body, inspected(body) | {"AppArmorProfile": ""}, ENGINE)
    assert missing_controls(controls) == ["apparmor"]


def test_gvisor_has_room_for_its_own_threads() -> None:
    body = create_body(replace(PROFILE, runtime="runsc"), "me")
    assert body["HostConfig"]["PidsLimit"] == 8 * PROFILE.limits.pids
