"""Two Executors behind the proxy of their group; one is killed for good. About ten seconds."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiodocker import Docker

from skillbox_executor.sandbox.interface import Language, Limits
from skillbox_executor.sandbox.proxy import ProxySettings
from tests.e2e.waiting import until
from tests.sandbox.conftest import containers_of
from tests.support import parts
from tests.support.services import Service, run_service
from tests.support.socket_proxy import run_socket_proxy

pytestmark = pytest.mark.docker


@asynccontextmanager
async def executors(
    names: tuple[str, ...], image: str, engine: str, folder: Path, server: str, s3: parts.S3
) -> AsyncIterator[dict[str, Service]]:
    """Runs an Executor for each name, all behind one proxy and on one database."""
    proxy = ProxySettings(
        engine_socket=engine.removeprefix("unix://"),
        listen=f"127.0.0.1:{parts.free_port()}",
        owner=f"{names[0].partition('/')[0]}/*",
        images=[image],
        most=Limits(memory_bytes=256 * 1024 * 1024, cpus=0.5),
    )
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        common = {
            **s3.environment(),
            "SKILLBOX_DB_DSN": await enter(parts.database(server)),
            "SKILLBOX_DOCKER_HOST": (await enter(run_socket_proxy(proxy))).docker_host,
            "SKILLBOX_IMAGE_ALLOWLIST": image,
            "SKILLBOX_DEFAULT_IMAGE_PYTHON": image,
            "SKILLBOX_POOL_PREWARM": "python",
            "SKILLBOX_DEPENDENCIES": "off",
            "SKILLBOX_BUNDLE_DIR": str(folder),
            "SKILLBOX_HEARTBEAT": "300ms",
            "SKILLBOX_LEASE": "1500ms",
        }
        yield {
            name: await enter(
                run_service(
                    "skillbox_executor",
                    {**common, "SKILLBOX_EXECUTOR_ID": name},
                    migrate=name == names[0],
                )
            )
            for name in names
        }


async def test_whoever_survives_removes_the_boxes_of_the_dead_and_no_others(
    docker: Docker,
    docker_host: str,
    sandbox_images: Mapping[Language, str],
    postgres_server: str,
    s3: parts.S3,
    tmp_path: Path,
) -> None:
    group = f"test-{secrets.token_hex(4)}"
    one, two = names = (f"{group}/one", f"{group}/two")
    image = sandbox_images[Language.PYTHON]
    async with executors(names, image, docker_host, tmp_path, postgres_server, s3) as running:
        for name in names:
            assert await until(partial(containers_of, docker, name))
        (kept,) = await containers_of(docker, two)
        running[one].process.kill()
        await running[one].process.wait()

        async def gone() -> bool:
            return not await containers_of(docker, one)

        await until(gone, 15)
        assert await containers_of(docker, two) == [kept]
        await running[two].until_logged("reaped the boxes of a dead replica")
