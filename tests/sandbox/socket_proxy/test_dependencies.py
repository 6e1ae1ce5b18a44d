"""Dependency sets and boxes with a network: what the proxy lets through of them, and where."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from aiodocker import Docker

from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.interface import Language, Profile, Role
from skillbox_executor.sandbox.proxy import ProxySettings
from tests.sandbox.skills import LIMITS
from tests.support.parts import free_port
from tests.support.socket_proxy import SocketProxy, run_socket_proxy

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_created")]
SET = "ab" * 32
OTHER = "cd" * 32


@pytest.fixture(scope="session")
async def listeners(
    docker_host: str, sandbox_images: Mapping[Language, str], owner: str
) -> AsyncIterator[Mapping[Role, SocketProxy]]:
    """A proxy with a listener for runs and fillers, and one for builders."""
    ports = {Role.RUN: free_port(), Role.BUILD: free_port()}
    settings = ProxySettings(
        engine_socket=docker_host.removeprefix("unix://"),
        listen=f"127.0.0.1:{ports[Role.RUN]}",
        builder_listen=f"127.0.0.1:{ports[Role.BUILD]}",
        builder_memory=2 * LIMITS.memory_bytes,
        owner=owner,
        images=[*sandbox_images.values()],
        most=LIMITS,
    )
    async with run_socket_proxy(settings) as running:
        run = running
        build = SocketProxy(ports[Role.BUILD], running.log)
        yield {Role.RUN: run, Role.FILL: run, Role.BUILD: build}


@pytest.fixture(scope="session")
def bodies(sandbox_images: Mapping[Language, str], owner: str) -> dict[str, dict[str, Any]]:
    """What the driver asks for, by what it is for."""

    def body(role: Role, dependencies: str = "") -> dict[str, Any]:
        image = sandbox_images[Language.PYTHON]
        profile = Profile(image, Language.PYTHON, LIMITS, "runc", role, dependencies)
        return docker_body.create_body(profile, owner)

    return {
        "run": body(Role.RUN),
        "run with packages": body(Role.RUN, SET),
        "filler": body(Role.FILL, SET),
        "builder": body(Role.BUILD),
    }


@pytest.mark.parametrize(
    ("kind", "listener", "status"),
    [
        ("run", Role.RUN, 201),
        ("run with packages", Role.RUN, 201),
        ("filler", Role.RUN, 201),
        ("builder", Role.RUN, 403),
        ("run", Role.BUILD, 403),
        ("run with packages", Role.BUILD, 403),
        ("filler", Role.BUILD, 403),
        ("builder", Role.BUILD, 201),
    ],
)
async def test_each_kind_of_box_has_its_listener(
    listeners: Mapping[Role, SocketProxy],
    bodies: Mapping[str, dict[str, Any]],
    docker: Docker,
    name: str,
    owner: str,
    kind: str,
    listener: Role,
    status: int,
) -> None:
    reply = await listeners[listener].create(name, bodies[kind])
    assert reply.status == status, reply
    if status == 201:
        await docker.containers.container(name).delete(force=True)
    volume = docker_body.volume_name(owner, SET)
    removed = await listeners[listener].ask("DELETE", f"/v1.41/volumes/{volume}?force=0")
    assert removed.status == (204 if status == 201 and "Mounts" in host(bodies[kind]) else 404)


def host(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["HostConfig"]
    return found


def mount(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda body: host(body)["Mounts"][0].update(changes)


def change(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda body: host(body).update(changes)


BIND = {"Type": "bind", "Source": "/", "Target": "/opt/skillbox/deps", "ReadOnly": True}
CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "writable": mount(ReadOnly=False),
    "another volume": mount(Source="data"),
    "the volume of another executor": mount(
        Source=docker_body.volume_name("another executor", SET)
    ),
    "a volume without a digest": mount(Source="skillbox-deps-"),
    "a digest in upper case": mount(Source=f"skillbox-deps-{SET.upper()}"),
    "an anonymous volume": mount(Source=""),
    "a path of the host": mount(Source="/"),
    "a path after the name": lambda body: mount(
        Source=host(body)["Mounts"][0]["Source"] + "/../.."
    )(body),
    "another target": mount(Target="/etc"),
    "a target below": mount(Target="/opt/skillbox/deps/../../../etc"),
    "a bind": mount(Type="bind"),
    "a bind of the host": lambda body: host(body)["Mounts"][0].update(BIND),
    "a named pipe": mount(Type="npipe"),
    "options of a driver": mount(
        VolumeOptions={
            "NoCopy": True,
            "DriverConfig": {
                "Name": "local",
                "Options": {"type": "none", "device": "/", "o": "bind"},
            },
        }
    ),
    "copied from the image": mount(VolumeOptions={"NoCopy": False}),
    "propagation": mount(BindOptions={"Propagation": "rshared"}),
    "a second mount": lambda body: host(body)["Mounts"].append(BIND),
    "two sets": lambda body: host(body)["Mounts"].append({**host(body)["Mounts"][0]}),
    "no mounts in a list": change(Mounts=[]),
    "binds beside": change(Binds=["/:/host"]),
    "volumes beside": change(VolumesFrom=["other"]),
    "a network": change(NetworkMode="bridge"),
    "as root": lambda body: body.update(User="0:0"),
    "in the set": lambda body: body.update(WorkingDir="/opt/skillbox/deps"),
}


@pytest.mark.parametrize("edit", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("listener", [Role.RUN, Role.BUILD])
async def test_a_run_has_its_set_and_nothing_else(
    listeners: Mapping[Role, SocketProxy],
    bodies: Mapping[str, dict[str, Any]],
    name: str,
    edit: Callable[[dict[str, Any]], None],
    listener: Role,
) -> None:
    body = json.loads(json.dumps(bodies["run with packages"]))
    edit(body)
    assert body != bodies["run with packages"]
    assert (await listeners[listener].create(name, body)).status == 403


FILLER: dict[str, Callable[[dict[str, Any]], None]] = {
    "a network": change(NetworkMode="bridge"),
    "a capability": change(CapDrop=[]),
    "another volume": mount(Source="data"),
    "another target": mount(Target="/sandbox"),
    "a bind": mount(Type="bind", Source="/"),
    "privileges": change(SecurityOpt=[]),
    "a writable root": change(ReadonlyRootfs=False),
    "more memory": change(Memory=2 * LIMITS.memory_bytes, MemorySwap=2 * LIMITS.memory_bytes),
}


@pytest.mark.parametrize("edit", FILLER.values(), ids=FILLER.keys())
async def test_a_filler_is_exactly_the_drivers(
    listeners: Mapping[Role, SocketProxy],
    bodies: Mapping[str, dict[str, Any]],
    name: str,
    edit: Callable[[dict[str, Any]], None],
) -> None:
    body = json.loads(json.dumps(bodies["filler"]))
    edit(body)
    assert (await listeners[Role.RUN].create(name, body)).status == 403


BUILDER: dict[str, Callable[[dict[str, Any]], None]] = {
    "the network of the host": change(NetworkMode="host"),
    "the network of another": change(NetworkMode="container:other"),
    "a set": change(Mounts=[{"Type": "volume", "Source": f"skillbox-deps-{SET}"}]),
    "a host name": change(ExtraHosts=["index:192.0.2.1"]),
    "a capability": change(CapAdd=["NET_RAW"]),
    "a port": change(PortBindings={"80/tcp": [{"HostPort": "8080"}]}),
    "as root": lambda body: body.update(User="0:0"),
    "more memory": change(
        Memory=2 * LIMITS.memory_bytes + 1, MemorySwap=2 * LIMITS.memory_bytes + 1
    ),
}


@pytest.mark.parametrize("edit", BUILDER.values(), ids=BUILDER.keys())
async def test_a_builder_is_exactly_the_drivers(
    listeners: Mapping[Role, SocketProxy],
    bodies: Mapping[str, dict[str, Any]],
    name: str,
    edit: Callable[[dict[str, Any]], None],
) -> None:
    body = json.loads(json.dumps(bodies["builder"]))
    edit(body)
    assert (await listeners[Role.BUILD].create(name, body)).status == 403


async def test_no_box_has_a_network_where_there_is_no_such_listener(
    proxy: SocketProxy, bodies: Mapping[str, dict[str, Any]], name: str
) -> None:
    assert (await proxy.create(name, bodies["builder"])).status == 403


@pytest.mark.parametrize(
    "target",
    [
        "volumes/data?force=0",
        f"volumes/{docker_body.volume_name('another executor', SET)}?force=0",
        f"volumes/skillbox-deps-{SET}?force=0",
        "volumes/{own}",
        "volumes/{own}?force=1",
        "volumes/{own}?force=0&force=1",
        "volumes/{own}/../data?force=0",
        "volumes/{own}%2f..%2fdata?force=0",
        "volumes/{own}x?force=0",
        "volumes/prune",
    ],
)
@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT"])
async def test_only_own_sets_can_be_removed(
    listeners: Mapping[Role, SocketProxy], owner: str, method: str, target: str
) -> None:
    path = target.format(own=docker_body.volume_name(owner, OTHER))
    reply = await listeners[Role.RUN].ask(method, f"/v1.41/{path}")
    assert reply.status == 403


async def test_sets_cannot_be_looked_into(
    listeners: Mapping[Role, SocketProxy], owner: str
) -> None:
    own = docker_body.volume_name(owner, OTHER)
    for method, path in (
        ("GET", f"volumes/{own}"),
        ("GET", "volumes"),
        ("POST", "volumes/create"),
        ("GET", f"volumes/{own}?force=0"),
    ):
        assert (await listeners[Role.RUN].ask(method, f"/v1.41/{path}")).status == 403
