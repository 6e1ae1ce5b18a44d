"""The Docker driver: the controls as the engine shows them, and engines that do not comply."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiodocker import Docker

from skillbox_executor.runner import command
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.interface import (
    BoxLost,
    EngineUnavailable,
    ImageMissing,
    Language,
    Limits,
    Profile,
)
from tests.sandbox.conftest import containers_of
from tests.sandbox.skills import LIMITS, MIB, Bench, payload

pytestmark = pytest.mark.docker
PYTHON = Language.PYTHON
FOREVER = payload(PYTHON, "import time; time.sleep(600)")


async def test_every_control_is_on_the_running_container(
    docker_bench: Bench, docker: Docker, owner: str
) -> None:
    limits = Limits(memory_bytes=64 * MIB, cpus=0.5, sandbox_bytes=8 * MIB)
    async with docker_bench.box(PYTHON, limits) as box:
        found = await (await docker.containers.get(box.id)).show()
        image = await docker.images.inspect(box.profile.image)
        evidence = await docker_bench.driver.evidence(box)
    host, config = found["HostConfig"], found["Config"]
    assert found["State"]["Running"]
    assert (found["Path"], *found["Args"]) == tuple(command(PYTHON))
    assert host["NetworkMode"] == "none"
    assert config["NetworkDisabled"] is True
    assert found["NetworkSettings"]["Networks"] == {}
    assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
    assert host["ReadonlyRootfs"] is True
    assert (host["Binds"], found["Mounts"]) == (None, [])
    common = "rw,nosuid,nodev,noexec"
    assert host["Tmpfs"] == {
        "/sandbox": f"{common},size={8 * MIB},mode=0755,uid=65534,gid=65534",
        "/tmp": f"{common},size={64 * MIB},mode=1777",
        "/root": f"{common},size={MIB},mode=0700,uid=65534,gid=65534",
    }
    assert host["ShmSize"] == 16 * MIB
    assert host["PidsLimit"] == 128
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert config["User"] == "65534:65534"
    assert host["Memory"] == host["MemorySwap"] == 64 * MIB
    assert host["NanoCpus"] == 500_000_000
    assert (host["IpcMode"], host["PidMode"]) == ("private", "")
    assert host["LogConfig"]["Type"] == "none"
    assert host["Runtime"] == "runc"
    assert (config["Labels"]["managed-by"], config["Labels"]["skillbox.owner"]) == (
        "skillbox",
        owner,
    )
    assert (evidence.driver, evidence.runtime, evidence.box_id) == ("docker", "runc", box.id)
    assert evidence.image_digest == image["Id"] == found["Image"]
    lacking = [control.name for control in evidence.controls if not control.applied]
    assert lacking in ([], ["apparmor"])


async def test_the_controls_hold_inside(docker_bench: Bench) -> None:
    script = """
import os, shutil, socket, subprocess
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(*(status[name].strip() for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")))
print(os.getuid(), os.getgid(), os.getgroups(), os.listdir("/sys/class/net"), os.getsid(0) != 1)
for path in ("/x", "/etc/x", "/usr/x", "/dev/x", "/proc/sys/kernel/core_pattern"):
    try: print("wrote", open(path, "w"))
    except OSError: pass
for folder in ("/sandbox", "/tmp", "/root", "/dev/shm"):
    shutil.copy("/bin/true", folder + "/true")
    os.chmod(folder + "/true", 0o755)
    try: print("ran", subprocess.run([folder + "/true"]))
    except PermissionError: pass
for address in (("127.0.0.1", 80), ("169.254.169.254", 80), ("1.1.1.1", 53)):
    try: print("reached", socket.create_connection(address, 1))
    except OSError: pass
"""
    ran = await docker_bench.run(PYTHON, script)
    nothing = "0000000000000000"
    assert ran.ok() == f"{nothing} {nothing} 1 2\n65534 65534 [65534] ['lo'] True\n"


async def test_more_cores_than_the_engine_has_are_no_limit(
    docker_bench: Bench, docker: Docker
) -> None:
    cores = (await docker.system.info())["NCPU"]
    async with docker_bench.box(PYTHON, replace(LIMITS, cpus=cores + 4)) as box:
        evidence = await docker_bench.driver.evidence(box)
    assert {control.name: control.value for control in evidence.controls}["cpus"] == str(cores)


async def test_nothing_of_what_the_engine_says_outlives_a_box(docker_bench: Bench) -> None:
    # Its description of a container is large, and garbage in a cycle may stay for long.
    def descriptions() -> int:
        found = [each for each in gc.get_objects() if type(each) is dict]
        return sum("HostConfig" in each and "State" in each for each in found)

    gc.collect()
    gc.disable()
    try:
        before = descriptions()
        async with docker_bench.box(PYTHON):
            pass
        assert descriptions() == before
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        ("no-such-image:1", "image 'no-such-image:1' .* docker pull no-such-image:1$"),
        ("skillbox/none", "docker pull skillbox/none$"),
    ],
)
async def test_a_missing_image_says_how_to_get_it(
    docker_bench: Bench, image: str, advice: str
) -> None:
    with pytest.raises(ImageMissing, match=advice):
        await docker_bench.driver.prepare(Profile(image, PYTHON, LIMITS))


async def test_a_missing_runtime_is_named_and_nothing_else_is_taken(docker_bench: Bench) -> None:
    profile = replace(docker_bench.profile(PYTHON), runtime="no-such-runtime")
    with pytest.raises(
        EngineUnavailable, match=r"no OCI runtime 'no-such-runtime' \(it has: .*runc"
    ):
        await docker_bench.driver.prepare(profile)


async def test_an_image_without_the_interpreter_is_named(docker_bench: Bench) -> None:
    profile = replace(docker_bench.profile(PYTHON), image=docker_bench.images[Language.BASH])
    with pytest.raises(EngineUnavailable, match=r"could not start the sandbox: .*python3"):
        await docker_bench.driver.prepare(profile)


@asynccontextmanager
async def changed_image(docker: Docker, image: str, *changes: str) -> AsyncIterator[str]:
    """Yields an image that declares more than `image` does."""
    container = await docker.containers.create({"Image": image, "Cmd": ["true"]})
    name = f"skillbox-test/{container.id[:12]}"
    try:
        await container.commit(repository=name, tag="latest", changes=list(changes))
        try:
            yield name
        finally:
            await docker.images.delete(name)
    finally:
        await container.delete(force=True)


async def test_what_an_image_declares_does_not_come_between(
    docker_bench: Bench, docker: Docker
) -> None:
    changes = ('ENTRYPOINT ["/bin/false"]', "USER root", "WORKDIR /", "HEALTHCHECK CMD /bin/false")
    async with changed_image(docker, docker_bench.images[PYTHON], *changes) as image:
        box = await docker_bench.driver.prepare(Profile(image, PYTHON, LIMITS))
        ran = await docker_bench.run_in(box, payload(PYTHON, "import os; print(os.getuid())"))
        assert ran.ok() == "65534\n"
        await docker_bench.driver.destroy(box)


async def test_an_image_that_brings_a_volume_is_refused(
    docker_bench: Bench, docker: Docker, owner: str
) -> None:
    async with changed_image(docker, docker_bench.images[PYTHON], "VOLUME /data") as image:
        with pytest.raises(EngineUnavailable, match="did not apply: writable"):
            await docker_bench.driver.prepare(Profile(image, PYTHON, LIMITS))
        assert await containers_of(docker, owner) == []


async def test_a_box_that_somebody_removes_is_lost(docker_bench: Bench, docker: Docker) -> None:
    async with docker_bench.box(PYTHON) as box:
        run = asyncio.create_task(docker_bench.run_in(box, FOREVER))
        await asyncio.sleep(0.1)
        await docker.containers.container(box.id).delete(force=True)
        # It may still be there when it is asked for its state.
        with pytest.raises(BoxLost, match=r"the box is gone|status 137"):
            await asyncio.wait_for(run, 20)


async def test_a_box_that_somebody_kills_says_its_status(
    docker_bench: Bench, docker: Docker
) -> None:
    async with docker_bench.box(PYTHON) as box:
        run = asyncio.create_task(docker_bench.run_in(box, FOREVER))
        await asyncio.sleep(0.1)
        await docker.containers.container(box.id).kill()
        with pytest.raises(BoxLost, match="ended with status 137 and without a result"):
            await asyncio.wait_for(run, 20)
        assert not await docker_bench.driver.out_of_memory(box)


async def test_a_waiting_box_that_somebody_kills_is_not_alive(
    docker_bench: Bench, docker: Docker
) -> None:
    async with docker_bench.box(PYTHON) as box:
        await docker.containers.container(box.id).kill()
        async with asyncio.timeout(20):
            while docker_bench.driver.alive(box):  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("host", ["unix:///no/such/socket", "tcp://127.0.0.1:1"])
async def test_an_engine_that_does_not_answer(host: str) -> None:
    driver = DockerDriver(host, "nobody")
    for call in (
        driver.check(),
        driver.reap(),
        driver.prepare(Profile("python", PYTHON, LIMITS)),
    ):
        with pytest.raises(EngineUnavailable, match="the Docker engine does not answer"):
            await call
    await driver.close()


async def test_an_address_that_is_none_says_what_is_expected() -> None:
    with pytest.raises(EngineUnavailable, match=r"'localhost' is not valid: expected unix://PATH"):
        await DockerDriver("localhost", "nobody").check()


class Forwarder:
    """Carries bytes between a TCP port and the engine's socket until it is cut."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.host = ""

    @asynccontextmanager
    async def running(self, engine: str) -> AsyncIterator["Forwarder"]:
        self.engine = engine.removeprefix("unix://")
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.host = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.server = server
        try:
            yield self
        finally:
            self.cut()
            await server.wait_closed()

    def cut(self) -> None:
        self.server.close()
        for writer in self.writers:
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self.engine)
        self.writers += [writer, back]
        await asyncio.gather(carry(reader, back), carry(there, writer))


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_an_engine_that_goes_away_ends_the_run(
    docker_bench: Bench, docker_host: str, owner: str, sandbox_images: Mapping[Language, str]
) -> None:
    assert docker_host.startswith("unix://")
    async with Forwarder().running(docker_host) as forwarder:
        bench = Bench(lambda name: DockerDriver(forwarder.host, name), owner, sandbox_images)
        assert (await bench.run(PYTHON, "print('well')")).ok() == "well\n"
        box = await bench.driver.prepare(bench.profile(PYTHON))
        run = asyncio.create_task(bench.run_in(box, FOREVER))
        await asyncio.sleep(0.2)
        forwarder.cut()
        with pytest.raises(BoxLost, match="the Docker engine or the box is gone"):
            await asyncio.wait_for(run, 20)
        assert not await bench.driver.out_of_memory(box)
        with pytest.raises(EngineUnavailable):
            await bench.driver.destroy(box)
        with pytest.raises(EngineUnavailable):
            await bench.driver.close()
    assert await docker_bench.driver.reap() == 1
