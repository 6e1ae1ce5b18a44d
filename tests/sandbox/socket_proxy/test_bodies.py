"""Bodies of `POST /containers/create`: the canonical one goes through, nothing else does."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.interface import Language, Profile
from tests.sandbox.skills import LIMITS
from tests.support.socket_proxy import SocketProxy

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_created")]
GONE = object()
PRIVILEGED = b'{"Privileged": true}'
SANDBOX = "rw,nosuid,nodev,noexec,size={},mode=0755,uid=65534,gid=65534"


async def assert_refused(proxy: SocketProxy, name: str, sent: Mapping[str, Any] | bytes) -> None:
    reply = await proxy.create(name, sent)
    assert reply.status == 403, reply
    assert reply.message.startswith("the socket proxy does not allow this ")


@pytest.mark.parametrize("language", Language)
async def test_the_body_of_each_language_is_let_through(
    proxy: SocketProxy,
    sandbox_images: Mapping[Language, str],
    owner: str,
    name: str,
    language: Language,
) -> None:
    profile = Profile(sandbox_images[language], language, LIMITS)
    reply = await proxy.create(name, docker_body.create_body(profile, owner))
    assert reply.status == 201, reply
    assert (await proxy.ask("DELETE", f"/v1.41/containers/{name}?force=1&v=1")).status == 204


HOST_CONFIG: list[tuple[str, object]] = [
    ("Privileged", True),
    ("Privileged", False),
    ("Binds", ["/:/host"]),
    ("Binds", ["/var/run/docker.sock:/var/run/docker.sock"]),
    ("Binds", ["volume:/data"]),
    ("Mounts", [{"Type": "bind", "Source": "/", "Target": "/host"}]),
    ("Mounts", [{"Type": "volume", "Source": "data", "Target": "/data"}]),
    ("Mounts", [{"Type": "tmpfs", "Target": "/data"}]),
    ("VolumesFrom", ["other"]),
    ("VolumeDriver", "local"),
    ("Devices", [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda"}]),
    ("DeviceCgroupRules", ["a *:* rwm"]),
    ("DeviceRequests", [{"Count": -1, "Capabilities": [["gpu"]]}]),
    ("BlkioDeviceWriteBps", [{"Path": "/dev/sda", "Rate": 1}]),
    ("CapAdd", ["SYS_ADMIN"]),
    ("CapAdd", ["ALL"]),
    ("Capabilities", ["CAP_SYS_ADMIN"]),
    ("CapDrop", []),
    ("CapDrop", None),
    ("CapDrop", ["NET_RAW"]),
    ("CapDrop", GONE),
    ("NetworkMode", "host"),
    ("NetworkMode", "bridge"),
    ("NetworkMode", "container:other"),
    ("NetworkMode", "my-network"),
    ("NetworkMode", GONE),
    ("PidMode", "host"),
    ("PidMode", "container:other"),
    ("IpcMode", "host"),
    ("IpcMode", "shareable"),
    ("IpcMode", "container:other"),
    ("IpcMode", GONE),
    ("UTSMode", "host"),
    ("UsernsMode", "host"),
    ("CgroupnsMode", "host"),
    ("Cgroup", "container:other"),
    ("CgroupParent", "/"),
    ("SecurityOpt", []),
    ("SecurityOpt", GONE),
    ("SecurityOpt", ["no-new-privileges:false"]),
    ("SecurityOpt", ["no-new-privileges:true", "seccomp=unconfined"]),
    ("SecurityOpt", ["no-new-privileges:true", "apparmor=unconfined"]),
    ("SecurityOpt", ["no-new-privileges:true", "label=disable"]),
    ("SecurityOpt", ["no-new-privileges:true", "systempaths=unconfined"]),
    ("MaskedPaths", []),
    ("ReadonlyPaths", []),
    ("ReadonlyRootfs", False),
    ("ReadonlyRootfs", GONE),
    ("GroupAdd", ["docker"]),
    ("Runtime", "runsc"),
    ("Runtime", "io.containerd.runc.v2"),
    ("Runtime", ""),
    ("Runtime", GONE),
    ("Isolation", "default"),
    ("Init", True),
    ("Memory", LIMITS.memory_bytes + 1),
    ("Memory", LIMITS.memory_bytes * 10),
    ("Memory", LIMITS.memory_bytes // 2),  # less than MemorySwap: the rest would be swap
    ("Memory", 0),
    ("Memory", -1),
    ("Memory", 1e8),
    ("Memory", "100000000"),
    ("Memory", None),
    ("Memory", GONE),
    ("MemorySwap", LIMITS.memory_bytes * 2),
    ("MemorySwap", -1),
    ("MemorySwap", 0),
    ("MemorySwap", GONE),
    ("MemorySwappiness", 100),
    ("MemoryReservation", 1),
    ("KernelMemory", 1),
    ("OomKillDisable", True),
    ("OomScoreAdj", -1000),
    ("NanoCpus", round(LIMITS.cpus * 1e9) + 1),
    ("NanoCpus", 0),
    ("NanoCpus", -1),
    ("NanoCpus", GONE),
    ("CpuShares", 1025),
    ("CpuShares", 0),
    ("CpuShares", GONE),
    ("CpuQuota", -1),
    ("CpusetCpus", "0"),
    ("CpuRealtimeRuntime", 1000),
    ("PidsLimit", 129),
    ("PidsLimit", 0),
    ("PidsLimit", -1),
    ("PidsLimit", None),
    ("PidsLimit", GONE),
    ("ShmSize", 1 << 30),
    ("Tmpfs", {}),
    ("Tmpfs", GONE),
    ("Tmpfs", {"/sandbox": "exec"}),
    ("Ulimits", []),
    ("Ulimits", [{"Name": "core", "Soft": -1, "Hard": -1}]),
    ("LogConfig", {"Type": "json-file"}),
    ("LogConfig", {"Type": "syslog", "Config": {"syslog-address": "tcp://192.0.2.1:514"}}),
    ("LogConfig", GONE),
    ("Sysctls", {"net.ipv4.ip_forward": "1"}),
    ("StorageOpt", {"size": "1T"}),
    ("PortBindings", {"80/tcp": [{"HostPort": "8080"}]}),
    ("PublishAllPorts", True),
    ("Links", ["other:other"]),
    ("Dns", ["192.0.2.1"]),
    ("ExtraHosts", ["metadata:169.254.169.254"]),
    ("RestartPolicy", {"Name": "always"}),
    ("AutoRemove", True),
    ("ContainerIDFile", "/etc/passwd"),
    ("Annotations", {"run.oci.handler": "wasm"}),
]


@pytest.mark.parametrize(("key", "value"), HOST_CONFIG)
async def test_the_host_configuration_is_exactly_the_drivers(
    proxy: SocketProxy, body: dict[str, Any], name: str, key: str, value: object
) -> None:
    change(body["HostConfig"], key, value)
    await assert_refused(proxy, name, body)


@pytest.mark.parametrize("size", [LIMITS.sandbox_bytes + 1, 0, -1, "50%", "1g", "", "1,exec"])
async def test_the_writable_folder_is_limited(
    proxy: SocketProxy, body: dict[str, Any], name: str, size: object
) -> None:
    body["HostConfig"]["Tmpfs"]["/sandbox"] = SANDBOX.format(size)
    await assert_refused(proxy, name, body)


@pytest.mark.parametrize(
    ("path", "options"), [("/etc", "rw"), ("/tmp", "rw,exec"), ("/sandbox/x", ""), ("/tmp", GONE)]
)
async def test_there_are_no_other_writable_folders(
    proxy: SocketProxy, body: dict[str, Any], name: str, path: str, options: object
) -> None:
    change(body["HostConfig"]["Tmpfs"], path, options)
    await assert_refused(proxy, name, body)


CONFIG: list[tuple[str, object]] = [
    ("User", "root"),
    ("User", "0:0"),
    ("User", "65534:0"),
    ("User", ""),
    ("User", GONE),
    ("Image", "debian"),
    ("Image", "skillbox/python:latest"),
    ("Image", "skillbox/pythonx"),
    ("Image", "docker.io/skillbox/python"),
    ("Image", "skillbox.python"),
    ("Image", f"sha256:{'0' * 64}"),
    ("Image", GONE),
    ("Entrypoint", ["sh"]),
    ("Entrypoint", []),
    ("Entrypoint", None),
    ("Entrypoint", GONE),
    ("Cmd", ["sleep 600"]),
    ("Cmd", []),
    ("Cmd", GONE),
    ("Env", []),
    ("Env", ["LD_PRELOAD=/sandbox/x.so"]),
    ("Volumes", {"/data": {}}),
    ("WorkingDir", "/"),
    ("Hostname", "other"),
    ("Domainname", "other"),
    ("MacAddress", "02:42:ac:11:00:02"),
    ("NetworkDisabled", True),
    ("NetworkDisabled", GONE),
    ("ExposedPorts", {"80/tcp": {}}),
    ("NetworkingConfig", {"EndpointsConfig": {"bridge": {}}}),
    ("Healthcheck", {"Test": ["CMD-SHELL", "true"]}),
    ("Healthcheck", GONE),
    ("Shell", ["/bin/sh", "-c"]),
    ("OnBuild", ["RUN true"]),
    ("StopSignal", "SIGSTOP"),
    ("StopTimeout", 1000),
    ("Tty", True),
    ("OpenStdin", False),
    ("StdinOnce", False),
    ("AttachStdin", False),
    ("ArgsEscaped", True),
    ("Platform", "linux/arm64"),
    ("Labels", {}),
    ("Labels", GONE),
    ("HostConfig", {}),
    ("HostConfig", None),
    ("HostConfig", GONE),
]


@pytest.mark.parametrize(("key", "value"), CONFIG)
async def test_the_configuration_is_exactly_the_drivers(
    proxy: SocketProxy, body: dict[str, Any], name: str, key: str, value: object
) -> None:
    change(body, key, value)
    await assert_refused(proxy, name, body)


@pytest.mark.parametrize("language", [Language.PYTHON, Language.NODE])
async def test_a_command_does_not_go_with_another_interpreter(
    proxy: SocketProxy, body: dict[str, Any], owner: str, name: str, language: Language
) -> None:
    profile = Profile(body["Image"], language, LIMITS)
    body["Entrypoint"] = docker_body.create_body(profile, owner)["Entrypoint"]
    await assert_refused(proxy, name, body)


@pytest.mark.parametrize(
    "edit",
    [
        lambda source: source + "\nid",
        lambda source: "id\n" + source,
        lambda source: source[:-1],
        lambda source: source.replace("kill", "true", 1),
        lambda source: source.replace(".", "x", 1),
    ],
)
async def test_a_runner_is_exactly_the_drivers(
    proxy: SocketProxy, body: dict[str, Any], name: str, edit: Callable[[str], str]
) -> None:
    edited = edit(body["Cmd"][0])
    assert edited != body["Cmd"][0]
    body["Cmd"] = [edited]
    await assert_refused(proxy, name, body)


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("skillbox.owner", "another"),
        ("skillbox.owner", GONE),
        ("managed-by", "another"),
        ("skillbox.language", "python"),
        ("skillbox.profile", "x" * 64),
        ("skillbox.profile", "0" * 63),
        ("skillbox.profile", "0" * 64 + '", "x": "'),
        ("com.example.extra", "1"),
    ],
)
async def test_the_labels_are_exactly_the_drivers(
    proxy: SocketProxy, body: dict[str, Any], name: str, label: str, value: object
) -> None:
    change(body["Labels"], label, value)
    await assert_refused(proxy, name, body)


def inside(addition: bytes) -> Callable[[bytes], bytes]:
    """Puts something behind the last member of the body."""
    return lambda text: text[:-1] + b", " + addition + b"}"


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    # The engine does not care for the case of keys, and takes the last of equal ones.
    "a duplicate key": inside(b'"HostConfig": ' + PRIVILEGED),
    "a duplicate key before": lambda text: b'{"HostConfig": ' + PRIVILEGED + b", " + text[1:],
    "a key in lower case": inside(b'"hostconfig": ' + PRIVILEGED),
    "a key in upper case": inside(b'"HOSTCONFIG": ' + PRIVILEGED),
    "a key in mixed case": inside(b'"hostConfig": ' + PRIVILEGED),
    "a key with a Kelvin sign": inside('"Networ\u212aDisabled": false'.encode()),
    "a key with a long s": inside('"Ho\u017ftConfig": {}'.encode()),
    "an escaped key": inside(b'"\\u0048ostConfig": ' + PRIVILEGED),
    "an escaped key instead": lambda text: text.replace(b'"HostConfig"', b'"\\u0048ostConfig"'),
    "a nested duplicate": lambda text: text.replace(b'"CapDrop"', b'"Privileged": true, "CapDrop"'),
    "a nested key in lower case": lambda text: text.replace(
        b'"CapDrop"', b'"privileged": true, "CapDrop"'
    ),
    "renamed to lower case": lambda text: text.replace(b'"CapDrop"', b'"capdrop"'),
    "an escaped value": lambda text: text.replace(b'"none"', b'"\\u006eone"'),
    "an escaped slash": lambda text: text.replace(b"skillbox/bash", b"skillbox\\/bash"),
    "an escape in a runner": lambda text: text.replace(b'"Cmd": ["f', b'"Cmd": ["\\u0066'),
    "no spaces": lambda text: json.dumps(json.loads(text), separators=(",", ":")).encode(),
    "more spaces": lambda text: text.replace(b": ", b":  ", 1),
    "a comment": lambda text: text.replace(b": ", b": /**/", 1),
    "other order": lambda text: json.dumps(dict(reversed(json.loads(text).items()))).encode(),
    "indented": lambda text: json.dumps(json.loads(text), sort_keys=True, indent=1).encode(),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "a space before": lambda text: b" " + text,
    "a line before": lambda text: b"\n" + text,
    "a space after": lambda text: text + b" ",
    "a line feed after": lambda text: text + b"\n",
    "a line after": lambda text: text + b"\r\n",
    "a NUL after": lambda text: text + b"\0",
    "an object after a NUL": lambda text: text + b'\0{"HostConfig": ' + PRIVILEGED + b"}",
    "an object after": lambda text: text + b'{"HostConfig": ' + PRIVILEGED + b"}",
    "an object before": lambda text: b'{"HostConfig": ' + PRIVILEGED + b"}" + text,
    "an object in the line before": lambda text: b'{"HostConfig": {}}\n' + text,
    "twice": lambda text: text + text,
    "in an array": lambda text: b"[" + text + b"]",
    "in an object": lambda text: b'{"x": ' + text + b"}",
    "cut off": lambda text: text[:-1],
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-7": lambda text: text.decode().encode("utf-7"),
    "a leading zero": lambda text: text.replace(b'"NanoCpus": ', b'"NanoCpus": 0'),
    "a plus sign": lambda text: text.replace(b'"NanoCpus": ', b'"NanoCpus": +'),
    "an exponent": lambda text: text.replace(b'"PidsLimit": 128', b'"PidsLimit": 1e9'),
    "a fraction": lambda text: text.replace(b'"PidsLimit": 128', b'"PidsLimit": 128.0'),
    "nothing": lambda text: b"",
    "null": lambda text: b"null",
    "an empty object": lambda text: b"{}",
    "not JSON": lambda text: b"\xff\xfe\x00",
    "more than a buffer's half": lambda text: text + b" " * 40_000,
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
async def test_there_is_one_spelling(
    proxy: SocketProxy, text: bytes, name: str, spell: Callable[[bytes], bytes]
) -> None:
    spelled = spell(text)
    assert spelled != text
    await assert_refused(proxy, name, spelled)


def change(where: dict[str, Any], key: str, value: object) -> None:
    """Sets or removes a member, which must change something."""
    assert where.get(key, GONE) != value
    if value is GONE:
        del where[key]
    else:
        where[key] = value
