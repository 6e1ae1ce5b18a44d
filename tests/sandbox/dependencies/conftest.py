"""Dependency sets on real engines, with a real database and object store."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiodocker import Docker
from pydantic import SecretStr

from skillbox_common import db, object_store
from skillbox_common.migrate import migrate
from skillbox_executor.bundles import Bundle, Bundles
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies.assembly import Packages
from skillbox_executor.dependencies.boxes import tar_of
from skillbox_executor.dependencies.store import PostgresDependencyStore
from skillbox_executor.main import PACKAGE, SCHEMA
from skillbox_executor.plan import Plan
from skillbox_executor.sandbox.interface import Driver, Evidence, Language, Limits, Payload, Profile
from skillbox_executor.sandbox.proxy import ProxySettings
from skillbox_executor.sandbox.select import create_driver
from tests.sandbox.conftest import containers_of, traces_of
from tests.sandbox.skills import Bench, Ran, payload
from tests.support import parts
from tests.support.packages import Index, serve_index
from tests.support.parts import free_port
from tests.support.socket_proxy import run_socket_proxy


def bundle(files: Mapping[str, bytes]) -> Bundle:
    return Bundle(tar_of(files), frozenset(files))


@dataclass
class Replica:
    """One replica's dependencies, and what they are made of."""

    settings: ExecutorSettings
    driver: Driver
    sets: PostgresDependencyStore
    objects: object_store.ObjectStore
    pool: "db.Pool"
    bench: Bench

    @asynccontextmanager
    async def other(self, **changed: Any) -> AsyncIterator[Packages]:
        """Yields the dependencies of another process, with settings of its own."""
        packages = Packages(
            self.settings.model_copy(update=changed),
            pool=self.pool,
            objects=self.objects,
            driver=self.driver,
            bundles=Bundles(self.objects, 2**30),
        )
        async with packages.running():
            yield packages

    def profile(self, language: Language = Language.PYTHON) -> Profile:
        return self.bench.profile(language)

    async def planned(
        self, files: Mapping[str, bytes], language: Language = Language.PYTHON, **changed: Any
    ) -> Plan:
        """Returns the plan of a skill that has these files."""
        plan = Plan(self.profile(language), Payload([], {}, []), 10)
        async with self.other(**changed) as packages:
            return await packages.dependencies.planned(plan, bundle(files), "archives/test")

    async def run(self, plan: Plan, script: str) -> "Isolated":
        """Runs a script with the packages of a plan."""
        box = await self.driver.prepare(plan.profile)
        try:
            what = payload(plan.profile.language, script, env=plan.payload.env)
            ran = await self.bench.run_in(box, what)
            return Isolated(**vars(ran), evidence=await self.driver.evidence(box))
        finally:
            await self.driver.destroy(box)

    async def empty(self, profile: Profile) -> None:
        """Makes the place of a set, with nothing in it."""
        if self.settings.sandbox == "bubblewrap":
            (self.settings.dependency_dir / profile.dependencies).mkdir()
        else:
            await self.driver.destroy(await self.driver.prepare(profile))


@dataclass
class Isolated(Ran):
    """What came out of a run, and how it was isolated."""

    evidence: Evidence = field(kw_only=True)


@pytest.fixture(
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
    ]
)
async def replica(
    request: pytest.FixtureRequest,
    dsn: str,
    s3: parts.S3,
    owner: str,
    docker_host: str,
    docker: Docker,
    sandbox_images: Mapping[Language, str],
) -> AsyncIterator[Replica]:
    """The dependencies of a replica with each driver in turn; nothing of them stays."""
    on_docker = request.param == "docker"
    images = sandbox_images if on_docker else dict.fromkeys(Language, "host")
    with tempfile.TemporaryDirectory(prefix="skillbox-sets-") as folder:
        settings = ExecutorSettings(
            db_dsn=SecretStr(dsn),
            s3_endpoint=s3.endpoint,
            s3_access_key=SecretStr(s3.access_key),
            s3_secret_key=SecretStr(s3.secret_key),
            s3_bucket_skills=f"sets-{secrets.token_hex(4)}",
            executor_id=owner,
            sandbox=request.param,
            docker_host=f"tcp://127.0.0.1:{free_port()}",
            builder_docker_host=f"tcp://127.0.0.1:{free_port()}",
            dependency_dir=Path(folder),
            dependencies="on",
            default_image_python=images[Language.PYTHON],
            image_allowlist=tuple(images.values()),
        )
        await migrate(PACKAGE, dsn, SCHEMA)
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(db.connect(settings, SCHEMA))
            objects = await stack.enter_async_context(
                object_store.connect(settings, settings.s3_bucket_skills)
            )
            await objects.ensure_bucket()
            if on_docker:
                # As it is deployed: what the engine would do without it is of no use.
                await stack.enter_async_context(run_socket_proxy(_proxy(settings, docker_host)))
            driver = create_driver(settings)
            stack.push_async_callback(driver.close)
            bench = Bench(lambda _: driver, owner, images)
            sets = PostgresDependencyStore(pool)
            replica = Replica(settings, driver, sets, objects, pool, bench)
            yield replica
            await driver.close()
            async with replica.other() as packages:
                for each in await sets.unused(-1.0):
                    if each.digest:
                        await packages.shelf.remove(each.digest)
        left = await containers_of(docker, owner) if on_docker else traces_of(owner)
        assert left == []


def _proxy(settings: ExecutorSettings, docker_host: str) -> ProxySettings:
    return ProxySettings(
        engine_socket=docker_host.removeprefix("unix://"),
        listen=settings.docker_host.removeprefix("tcp://"),
        builder_listen=settings.builder_docker_host.removeprefix("tcp://"),
        owner=settings.executor_id,
        images=settings.image_allowlist,
        most=Limits(memory_bytes=settings.max_memory, cpus=settings.max_cpu),
    )


@pytest.fixture
async def index(replica: Replica, docker: Docker) -> AsyncIterator[Index]:
    """An index that the builder of the driver reaches, and a run does not."""
    host = "127.0.0.1"
    if replica.settings.sandbox == "docker":
        bridge = await (await docker.networks.get("bridge")).show()
        host = bridge["IPAM"]["Config"][0]["Gateway"]
    with serve_index(host) as served:
        yield served
