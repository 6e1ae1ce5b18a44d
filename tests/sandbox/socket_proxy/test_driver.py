"""The Docker driver behind the socket proxy: everything that it does goes through."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
from aiodocker import Docker

from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.interface import EngineUnavailable, ImageMissing, Language
from tests.sandbox import test_box_life, test_conformance
from tests.sandbox.conftest import containers_of
from tests.sandbox.skills import LIMITS, Bench, payload
from tests.sandbox.socket_proxy.conftest import ABSENT
from tests.support.socket_proxy import SocketProxy, read_reply, request

pytestmark = pytest.mark.docker
PYTHON, BASH = Language.PYTHON, Language.BASH


@pytest.fixture
async def bench(
    proxy: SocketProxy, docker: Docker, sandbox_images: Mapping[Language, str], owner: str
) -> AsyncIterator[Bench]:
    """The Docker driver behind the proxy; it replaces the `bench` of the other modules."""
    bench = Bench(lambda name: DockerDriver(proxy.docker_host, name), owner, sandbox_images)
    try:
        yield bench
    finally:
        await bench.driver.close()
    assert await containers_of(docker, owner) == []


# Of the suite that every driver passes, what the proxy could break.
test_files_and_arguments = test_conformance.test_a_skill_gets_its_files_arguments_and_environment
test_result = test_conformance.test_what_a_skill_leaves_comes_back
test_live_output = test_conformance.test_output_comes_while_the_skill_runs
test_large_payload = test_box_life.test_a_large_payload_arrives
test_destroy_ends_a_run = test_box_life.test_destroying_a_box_ends_its_run
test_destroy_at_once = test_box_life.test_a_box_may_be_destroyed_unused_twice_and_at_once
test_cancelled_prepare = test_box_life.test_a_cancelled_prepare_leaves_nothing
test_memory_bomb = test_box_life.test_a_memory_bomb_is_told_from_a_kill


async def test_a_successor_reaps_what_was_left_behind(bench: Bench) -> None:
    await bench.driver.prepare(bench.profile(PYTHON))
    successor = bench.make(bench.owner)
    try:
        await successor.check()
        assert await successor.reap() == 1
        assert await successor.reap() == 0
    finally:
        await successor.close()


async def test_the_evidence_holds_the_engines_id(bench: Bench, docker: Docker) -> None:
    async with bench.box(PYTHON) as box:
        evidence = await bench.driver.evidence(box)
        assert await containers_of(docker, bench.owner) == [evidence.box_id]


async def test_an_allowed_image_that_is_missing_is_named(bench: Bench) -> None:
    with pytest.raises(ImageMissing, match=ABSENT):
        await bench.driver.prepare(replace(bench.profile(PYTHON), image=ABSENT))


async def test_a_box_beyond_the_proxys_limits_is_refused_with_the_reason(
    proxy: SocketProxy, sandbox_images: Mapping[Language, str], owner: str
) -> None:
    driver = DockerDriver(proxy.docker_host, owner)
    bench = Bench(lambda name: driver, owner, sandbox_images)
    larger = replace(LIMITS, memory_bytes=LIMITS.memory_bytes + 1)
    try:
        with pytest.raises(EngineUnavailable, match="socket proxy does not allow this container"):
            await driver.prepare(bench.profile(PYTHON, larger))
        with pytest.raises(EngineUnavailable, match="socket proxy does not allow this request"):
            await driver.prepare(replace(bench.profile(PYTHON), image="debian"))
    finally:
        await driver.close()


async def test_another_executor_gets_nothing(proxy: SocketProxy, bench: Bench) -> None:
    box = await bench.driver.prepare(bench.profile(PYTHON))
    stranger = DockerDriver(proxy.docker_host, f"{bench.owner}-other")
    try:
        for call in (stranger.reap(), stranger.prepare(bench.profile(PYTHON))):
            with pytest.raises(EngineUnavailable, match="socket proxy does not allow"):
                await call
    finally:
        await stranger.close()
    assert bench.driver.alive(box)


async def test_attach_can_be_half_closed(proxy: SocketProxy, docker: Docker, bench: Bench) -> None:
    """Closing stdin ends the runner, whose last words still come."""
    name = docker_body.new_name(bench.owner)
    box = f"/v1.41/containers/{name}"
    query = "detachKeys=&logs=0&stdin=1&stdout=1&stderr=1&stream=1"
    created = await proxy.create(name, docker_body.create_body(bench.profile(BASH), bench.owner))
    try:
        assert (created.status, json.loads(created.body)["Warnings"]) == (201, [])
        async with proxy.connect() as (reader, writer):
            upgrade = ["Connection: Upgrade", "Upgrade: tcp"]
            writer.write(request("POST", f"{box}/attach?{query}", headers=upgrade))
            assert (await read_reply(reader)).status == 101
            assert (await proxy.ask("POST", f"{box}/start")).status == 204
            assert (await reader.readexactly(8 + 11))[8:] == b"h0000000000"
            writer.write_eof()
            assert b"runner: " in await reader.read()
        assert (await proxy.ask("POST", f"{box}/kill")).status in (204, 409)
    finally:
        assert (await proxy.ask("DELETE", f"{box}?force=1&v=1")).status == 204
    assert await containers_of(docker, bench.owner) == []


async def test_what_the_proxy_costs(bench: Bench, docker_bench: Bench) -> None:
    """Prints it; how much a loaded machine adds is not asserted."""
    times: dict[str, list[float]] = {"direct": [], "proxy": []}
    for _ in range(5):
        for name, each in (("direct", docker_bench), ("proxy", bench)):
            start = time.monotonic()
            async with each.box(BASH) as box:
                await each.run_in(box, payload(BASH, "echo"))
            times[name].append(time.monotonic() - start)
            await asyncio.sleep(0)
    medians = {name: f"{1000 * statistics.median(each):.0f} ms" for name, each in times.items()}
    print(f"\nfrom create to delete: {medians}")
