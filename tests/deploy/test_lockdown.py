"""What the engine says of the containers that run."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.compose_stack import ComposeStack, environment_of

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

SOCKET = "/var/run/docker.sock"
SERVING = {
    "auth": {"services", "database"},
    "registry": {"services", "database", "objects", "cache"},
    "executor": {"services", "database", "objects", "engine", "cache"},
    "gateway": {"edge", "services", "downloads"},
    "socket-proxy": {"engine"},
    "postgres": {"database"},
    "object-store": {"objects", "downloads"},
}
"""Every service that stays, and its networks."""
MIGRATIONS = {"auth-migrate", "registry-migrate", "executor-migrate"}
ONE_SHOT = MIGRATIONS | {"cli", "examples"}
WRITABLE = {"/tmp", "/var/run/postgresql"}
"""Folders in memory; all else is a volume or read-only."""
SECRETS = {
    "auth": {"db_dsn", "api_key"},
    "registry": {"db_dsn", "s3_access_key", "s3_secret_key", "redis_url", "cache_secret"},
    "executor": {"db_dsn", "s3_access_key", "s3_secret_key", "redis_url", "cache_secret"},
    "gateway": set(),
    "socket-proxy": set(),
    "postgres": {"postgres_password"},
    "object-store": {"s3_access_key", "s3_secret_key"},
    "auth-migrate": {"db_dsn"},
    "registry-migrate": {"db_dsn", "s3_access_key", "s3_secret_key"},
    "executor-migrate": {"db_dsn", "s3_access_key", "s3_secret_key"},
}
REACHED = {
    ("executor", "socket-proxy", "2375"): True,
    ("executor", "postgres", "5432"): True,
    ("auth", "socket-proxy", "2375"): False,
    ("registry", "socket-proxy", "2375"): False,
    ("gateway", "socket-proxy", "2375"): False,
    ("gateway", "postgres", "5432"): False,
    ("auth", "object-store", "9000"): False,
    ("socket-proxy", "postgres", "5432"): False,
    # No listener for boxes with a network, unless packages are to be installed.
    ("executor", "socket-proxy", "2376"): False,
}
"""Who, whom, and whether."""
REACH = (
    "import socket, sys\n"
    "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)\n"
    "except OSError: print('not reached')\n"
    "else: print('reached')\n"
)


async def test_every_container_is_locked_down(stack: ComposeStack) -> None:
    containers = await stack.inspect()
    assert set(containers) >= SERVING.keys() | MIGRATIONS
    for service, replicas in containers.items():
        for container in replicas:
            check_locked_down(service, container)


def check_locked_down(service: str, container: dict[str, Any]) -> None:
    """Checks what has to hold for every container of the stack."""
    host = container["HostConfig"]
    assert re.fullmatch(r"[1-9]\d*:\d+", container["Config"]["User"]), service
    assert host["CapDrop"] == ["ALL"], service
    assert not host["CapAdd"], service
    assert not host["Privileged"], service
    assert host["ReadonlyRootfs"], service
    assert host["SecurityOpt"] == ["no-new-privileges:true"], service
    assert not set(host["Tmpfs"] or ()) - WRITABLE, service
    assert host["Memory"] > 0, service
    assert host["NanoCpus"] > 0, service
    assert 0 < host["PidsLimit"] <= 256, service
    assert host["PidMode"] == host["UTSMode"] == "", service
    assert host["IpcMode"] == "private", service
    assert not host["Devices"], service
    stays = "no" if service in ONE_SHOT else "unless-stopped"
    assert host["RestartPolicy"]["Name"] == stays, service


async def test_the_kernel_agrees(stack: ComposeStack) -> None:
    for service, (container, *_) in (await stack.inspect()).items():
        if service not in SERVING:
            continue
        fields = _status(container["State"]["Pid"])
        assert "0" not in fields["Uid"].split(), service
        assert {int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}, service
        assert fields["NoNewPrivs"] == "1", service
        assert fields["Seccomp"] == "2", service


async def test_only_the_proxy_has_the_socket_and_it_has_nothing_else(stack: ComposeStack) -> None:
    for service, (container, *_) in (await stack.inspect()).items():
        mounts = {mount["Destination"]: mount for mount in container["Mounts"]}
        if service == "socket-proxy":
            assert set(mounts) == {SOCKET}
            continue
        data = {mount["Destination"] for mount in mounts.values() if mount["Type"] == "volume"}
        assert data <= {"/data", "/var/lib/postgresql/data"}, service
        secrets = {path for path, mount in mounts.items() if mount["Type"] == "bind"}
        # The one-shot container of the examples is no part of the stack.
        if service in SECRETS:
            assert secrets == {f"/run/secrets/{name}" for name in SECRETS[service]}, service
            assert not any(mounts[path]["RW"] for path in secrets), service
        assert not any(
            "docker" in mount["Source"].split("/")[1:4]
            for mount in mounts.values()
            if mount["Type"] == "bind"
        ), service


async def test_networks(stack: ComposeStack) -> None:
    networks = await stack.networks()
    assert {name for name, each in networks.items() if not each["Internal"]} <= {"edge", "traces"}
    for service, (container, *_) in (await stack.inspect()).items():
        if service in SERVING:
            joined = container["NetworkSettings"]["Networks"]
            assert {name.removeprefix(f"{stack.project}_") for name in joined} == SERVING[service]
        published = container["HostConfig"]["PortBindings"] or {}
        wanted = [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]
        assert published == ({"8080/tcp": wanted} if service == "gateway" else {}), service


async def test_who_reaches_whom(stack: ComposeStack) -> None:
    # All at once: a name that is not known takes its time.
    found = await asyncio.gather(*(_reaches(stack, *each) for each in REACHED))
    assert dict(zip(REACHED, found, strict=True)) == REACHED


async def test_the_proxy_refuses_a_privileged_container(stack: ComposeStack) -> None:
    ask = (
        "import urllib.request as r, urllib.error as e\n"
        "q = r.Request('http://socket-proxy:2375/v1.41/containers/create?name=x',"
        ' b\'{"Image":"skillbox/bash","HostConfig":{"Privileged":true}}\','
        " {'Content-Type': 'application/json'})\n"
        "try: print(r.urlopen(q).status)\n"
        "except e.HTTPError as error: print(error.code)\n"
    )
    printed = await asyncio.to_thread(stack.compose, "exec", "-T", "executor", "python", "-c", ask)
    assert printed.strip() == "403"


async def test_no_secret_can_be_read_from_the_settings_of_a_container(stack: ComposeStack) -> None:
    secrets = {path.name: path.read_text().strip() for path in stack.secrets.iterdir()}
    assert len(secrets) == 8
    assert all(path.stat().st_mode & 0o777 == 0o400 for path in stack.secrets.iterdir())
    assert stack.secrets.stat().st_mode & 0o777 == 0o700
    for service, replicas in (await stack.inspect()).items():
        for container in replicas:
            shown = environment_of(container)
            leaked = [name for name, secret in secrets.items() if secret in shown]
            assert not leaked, service
    logs = await asyncio.to_thread(stack.compose, "logs", "--no-color")
    assert not [name for name, secret in secrets.items() if secret in logs]


def _status(pid: int) -> dict[str, str]:
    status = Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s+(.*)$", status, re.MULTILINE))


async def _reaches(stack: ComposeStack, service: str, host: str, port: str) -> bool:
    command = ("exec", "-T", service, "python", "-c", REACH, host, port)
    return (await asyncio.to_thread(stack.compose, *command)).strip() == "reached"
