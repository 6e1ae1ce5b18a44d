"""Dependency sets for Docker: a named volume for each.

The engine makes a volume when the body of a box names it. A filler, the only box that may write to
it, unpacks the set into it; every other box has it read-only. So neither build, commit nor more of
the volumes API than the deletion of such names has to be open to an executor.
"""

import asyncio
import mmap
import secrets
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import PurePath
from typing import IO, Any, cast

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from aiodocker.volumes import DockerVolume

from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies import contents
from skillbox_executor.dependencies.boxes import Done, program, run_program, tar_of
from skillbox_executor.sandbox.docker_body import volume_name
from skillbox_executor.sandbox.docker_engine import connect, engine_errors
from skillbox_executor.sandbox.images import require_image
from skillbox_executor.sandbox.interface import (
    PACKAGES,
    Driver,
    EngineUnavailable,
    Language,
    Limits,
    Payload,
    Profile,
    Role,
)

_MIB = 1024 * 1024
_TIMEOUT_S = 300.0
_NOT_FOUND, _CONFLICT = 404, 409
_END = bytes(10_240)


class Volumes:
    """Keeps sets in volumes of the engine that the settings name."""

    def __init__(self, driver: Driver, settings: ExecutorSettings) -> None:
        self._driver = driver
        self._docker_host = settings.docker_host
        self._owner = settings.executor_id
        self._max_bytes = settings.builder_memory
        # Within what the socket proxy lets through.
        self._limits = Limits(
            memory_bytes=min(256 * _MIB, settings.max_memory),
            cpus=min(1.0, settings.max_cpu),
            sandbox_bytes=_MIB,
        )
        self._stack = AsyncExitStack()
        self._client: Docker | None = None

    async def interpreter(self, image: str, language: Language) -> str:
        docker = await self._connected()
        with engine_errors("look for the image"):
            try:
                return str((await docker.images.inspect(image))["Id"])
            except DockerError:
                await require_image(docker, image)  # says how to get it
                raise

    async def has(self, profile: Profile) -> bool:
        name, source = program("look", profile.language)
        payload = Payload([name, PACKAGES], {}, [tar_of({name: source}), _END])
        looking = replace(profile, limits=self._limits, role=Role.RUN)
        done = await self._run(looking, payload)
        if done.exit_code not in (0, 1):
            raise EngineUnavailable(f"the packages cannot be looked for: {done.said.strip()}")
        return done.exit_code == 0

    async def add(self, profile: Profile, tar: IO[bytes]) -> None:
        nonce = secrets.token_hex(8)
        name, source = program("keep", profile.language)
        name = f".{nonce}-{name}"
        unpacked = f".filling-{nonce}"
        with tempfile.TemporaryFile() as plain:
            await asyncio.to_thread(
                contents.unpack, tar, plain, prefix=f"{unpacked}/", max_bytes=self._max_bytes
            )
            with mmap.mmap(plain.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                payload = Payload(
                    [name, unpacked, PurePath(PACKAGES).name],
                    {},
                    # A map is read in slices like bytes are, without being in memory.
                    [tar_of({name: source}), cast("bytes", mapped)],
                )
                filling = replace(profile, limits=self._limits, role=Role.FILL)
                done = await self._run(filling, payload)
        if done.exit_code != 0:
            raise EngineUnavailable(f"the packages cannot be kept: {done.said.strip()}")

    async def remove(self, digest: str) -> None:
        docker = await self._connected()
        with engine_errors("remove a volume"):
            try:
                # Aiodocker's call has no types.
                volume: Any = DockerVolume(docker, volume_name(self._owner, digest))  # type: ignore[no-untyped-call]
                await volume.delete()
            except DockerError as error:
                if error.status not in (_NOT_FOUND, _CONFLICT):
                    raise

    async def close(self) -> None:
        await self._stack.aclose()
        self._client = None

    async def _run(self, profile: Profile, payload: Payload) -> Done:
        try:
            return await run_program(self._driver, profile, payload, _TIMEOUT_S)
        except TimeoutError:
            raise EngineUnavailable("a box with packages did not end in time") from None

    async def _connected(self) -> Docker:
        if self._client is None:
            self._client = await self._stack.enter_async_context(connect(self._docker_host))
        return self._client
