"""The warm pool when images change under it and its engine goes away. About ten seconds."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiodocker import Docker

from skillbox_executor.pool import PoolLimits, Start, WarmPool
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.docker_engine import connect
from skillbox_executor.sandbox.interface import Language, Profile
from tests.sandbox.conftest import containers_of
from tests.sandbox.skills import LIMITS, Bench, payload
from tests.support.docker_engine import PrivateEngine, private_engine
from tests.support.waiting import until

pytestmark = pytest.mark.docker
IMAGE = "test/changing"
PROFILE = Profile(IMAGE, Language.PYTHON, LIMITS)


@pytest.fixture(scope="module")
async def engine(
    docker_host: str, sandbox_images: Mapping[Language, str]
) -> AsyncIterator[PrivateEngine]:
    async with private_engine() as engine:
        image = sandbox_images[Language.PYTHON]
        await engine.load(image, docker_host)
        async with connect(engine.host) as docker:
            await docker.images.tag(image, repo=IMAGE)
        yield engine


@asynccontextmanager
async def pool_of(driver: DockerDriver, minimum: int) -> AsyncIterator[WarmPool]:
    pool = WarmPool(driver, PoolLimits(4, 4, minimum=minimum, image_check_s=0.1), [PROFILE])
    try:
        async with pool.kept_warm():
            await until(lambda: pool.snapshot().idle == minimum, seconds=30)
            yield pool
    finally:
        await driver.close()


async def another_image(docker: Docker) -> str:
    """Makes an image that works as well, tags it `IMAGE` and returns its id."""
    container = await docker.containers.create({"Image": IMAGE, "Cmd": ["true"]})
    try:
        await container.commit(repository=IMAGE, tag="latest", changes="LABEL other=yes")
    finally:
        await container.delete(force=True)
    return str((await docker.images.inspect(IMAGE))["Id"])


async def test_boxes_of_an_image_that_was_tagged_anew_are_replaced(
    engine: PrivateEngine, owner: str
) -> None:
    driver = DockerDriver(engine.host, owner)
    async with pool_of(driver, 1) as pool, connect(engine.host) as docker:
        (before,) = pool.waiting()
        digest = await another_image(docker)
        await until(lambda: bool(pool.waiting()) and pool.waiting()[0] is not before, 30)
        box, start = await pool.acquire(PROFILE)
        assert (start, (await driver.evidence(box)).image_digest) == (Start.WARM, digest)
        pool.release(box)


async def test_boxes_of_an_engine_that_died_are_replaced(engine: PrivateEngine, owner: str) -> None:
    driver = DockerDriver(engine.host, owner)
    async with pool_of(driver, 2) as pool, connect(engine.host) as docker:
        before = pool.waiting()
        running, _ = await pool.acquire(PROFILE)
        await engine.kill()
        pool.release(running)
        await until(lambda: not set(pool.waiting()) & set(before), 30)
        await engine.start()
        await until(lambda: pool.snapshot().idle == 2, 30)
        box, start = await pool.acquire(PROFILE)
        assert start is Start.WARM
        bench = Bench(lambda _: driver, owner, {Language.PYTHON: IMAGE})
        assert (await bench.run_in(box, payload(Language.PYTHON, "print(1)"))).ok() == "1\n"
        pool.release(box)
        await until(lambda: pool.snapshot().ending == 0, 30)
        # What was there before is gone from the engine too.
        used = {each.id for each in (*before, running, box)}
        assert not used & set(await containers_of(docker, owner))


async def test_boxes_that_an_earlier_process_left_are_not_given_out(
    engine: PrivateEngine, owner: str
) -> None:
    killed = DockerDriver(engine.host, owner)
    left = await killed.prepare(PROFILE)
    driver = DockerDriver(engine.host, owner)
    async with pool_of(driver, 1) as pool, connect(engine.host) as docker:
        await driver.reap()
        assert pool.snapshot().idle == 1
        box, start = await pool.acquire(PROFILE)
        assert (start, box.id != left.id) == (Start.WARM, True)
        assert left.id not in await containers_of(docker, owner)
        pool.release(box)
    await killed.close()
