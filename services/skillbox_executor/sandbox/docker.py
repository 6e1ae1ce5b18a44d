"""The driver for Docker: one hardened, single-use container per box."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, TypeVar

from aiodocker import Docker
from aiodocker.containers import DockerContainer

from skillbox_executor.runner import FAULT_STATUS
from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.controls import refuse_missing
from skillbox_executor.sandbox.docker_box import (
    DockerBox,
    final_state,
    inspect,
    remove,
    streams_of,
)
from skillbox_executor.sandbox.docker_engine import connect, engine_errors
from skillbox_executor.sandbox.docker_evidence import missing_controls, read_controls
from skillbox_executor.sandbox.frames import Frame
from skillbox_executor.sandbox.images import require_image
from skillbox_executor.sandbox.interface import (
    Box,
    BoxLost,
    Control,
    EngineAway,
    EngineUnavailable,
    Evidence,
    Payload,
    Profile,
    Role,
    RunnerFault,
)
from skillbox_executor.sandbox.stream import Conversation

_ANSWER_S = 20.0
_T = TypeVar("_T")


class DockerDriver:
    """Makes boxes on the engine at `docker_host`.

    Args:
        docker_host: `unix://PATH` or `tcp://HOST:PORT`.
        owner: Marks this executor's containers, so that `reap` finds those that an earlier
            process left behind, and no others.
        builder_host: Where boxes with a network are made; empty for `docker_host`.
        runtimes: OCI runtimes that the engine must have.
        allow_missing: Names of controls that a box may lack.
    """

    name = "docker"

    def __init__(
        self,
        docker_host: str,
        owner: str,
        builder_host: str = "",
        *,
        runtimes: Sequence[str] = (),
        allow_missing: Sequence[str] = (),
    ) -> None:
        self._docker_host = docker_host
        self._builder_host = builder_host or docker_host
        self._owner = owner
        self._runtimes = runtimes
        self._allow_missing = allow_missing
        self._stack = AsyncExitStack()
        self._clients: dict[str, Docker] = {}
        self._engine: Mapping[str, Any] = {}
        self._boxes: dict[str, DockerBox] = {}
        self._left: list[DockerContainer] = []
        self._background: set[asyncio.Task[Any]] = set()

    async def check(self) -> None:
        docker = await self._connected()
        with engine_errors("describe itself"):
            self._engine = await docker.system.info()
        for runtime in self._runtimes:
            _require_runtime(runtime, self._engine)
        # It answers, so it can do now what it did not do when it was asked.
        while self._left:
            await self._remove(self._left.pop())

    async def prepare(self, profile: Profile) -> DockerBox:
        starting = self._in_background(self._start(profile))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # The engine may be making the container right now; only its answer has the id.
            starting.add_done_callback(self._give_up)
            raise

    async def image_digest(self, image: str) -> str:
        return await require_image(await self._connected(), image)

    def alive(self, box: Box) -> bool:
        mine = _mine(box)
        return mine.id in self._boxes and mine.streams.connected()

    def load(self, box: Box, payload: Payload) -> None:
        mine = _mine(box)
        mine.conversation.load(mine.profile.language, payload)

    async def run(self, box: Box, payload: Payload) -> AsyncIterator[Frame]:
        mine = _mine(box)
        watching = asyncio.create_task(mine.end_with_container())
        try:
            async for frame in mine.conversation.run(mine.profile.language, payload):
                yield frame
        except BoxLost:
            raise BoxLost(await mine.why_lost()) from None
        finally:
            watching.cancel()

    async def out_of_memory(self, box: Box) -> bool:
        # The engine learns of it at once, but shows it only after the container's exit
        # (measured with 20.10); a runner exits within milliseconds of its end frame.
        state = await _mine(box).final_state()
        return state is not None and bool(state.get("OOMKilled"))

    async def evidence(self, box: Box) -> Evidence:
        return _mine(box).evidence

    async def destroy(self, box: Box) -> None:
        mine = _mine(box)
        failed_before = mine.removal is not None and mine.removal.done() and mine.id in self._boxes
        if mine.removal is None or failed_before:
            mine.removal = self._in_background(self._destroy(mine))
        await asyncio.shield(mine.removal)

    async def reap(self, owner: str = "") -> int:
        docker = await self._connected()
        filters = docker_body.owner_filter(owner or self._owner)
        with engine_errors("list its containers"):
            found = await docker.containers.list(all=True, filters=filters)
        await self._settled()  # so that no box of this process is taken for an orphan
        orphans = [container for container in found if container.id not in self._boxes]
        for orphan in orphans:
            name = orphan["Names"][0].removeprefix("/")
            await remove(docker.containers.container(name))
        return len(orphans)

    async def close(self) -> None:
        await self._settled()
        removals = [self.destroy(box) for box in list(self._boxes.values())]
        results = await asyncio.gather(*removals, return_exceptions=True)
        await self._stack.aclose()
        self._clients.clear()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _connected(self, role: Role = Role.RUN) -> Docker:
        host = self._builder_host if role is Role.BUILD else self._docker_host
        if host not in self._clients:
            self._clients[host] = await self._stack.enter_async_context(connect(host))
        return self._clients[host]

    async def _start(self, profile: Profile) -> DockerBox:
        docker = await self._connected(profile.role)
        if not self._engine:
            await self.check()
        body = docker_body.create_body(_fitted(profile, self._engine), self._owner)
        await require_image(docker, profile.image)
        name = docker_body.new_name(self._owner)
        container = docker.containers.container(name)
        try:
            with engine_errors("create the sandbox"):
                await docker.containers.create(body, name=name)
        except EngineAway:
            self._left.append(container)  # nobody knows whether it was made
            raise
        streams = streams_of(container)
        conversation = Conversation(streams)
        try:
            with engine_errors("start the sandbox"):
                async with asyncio.timeout(_ANSWER_S):  # it has no limit of its own
                    await streams.attach()
                await container.start()
                found = await inspect(container)
            controls = read_controls(body, found, self._engine)
            missing = missing_controls(controls)
            refuse_missing("the Docker engine did not apply", missing, self._allow_missing)
            evidence = _evidence(profile, found, controls)
            await _greeting(conversation, container)
        except BaseException:
            await streams.close()
            await self._remove(container)
            raise
        box = DockerBox(profile, container, evidence, streams, conversation)
        self._boxes[box.id] = box
        return box

    def _give_up(self, starting: asyncio.Task[DockerBox]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._in_background(self.destroy(starting.result()))

    async def _destroy(self, box: DockerBox) -> None:
        box.conversation.close()
        await box.streams.close()  # ends `run`, whether the engine answers or not
        await self._remove(box.container)
        del self._boxes[box.id]

    async def _remove(self, container: DockerContainer) -> None:
        """Removes a container, or keeps in mind that it is still to be removed."""
        try:
            await remove(container)
        except BaseException:
            self._left.append(container)
            raise

    def _in_background(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Runs something to its end, whatever happens to those who wait for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _settled(self) -> None:
        while self._background:
            await asyncio.wait(self._background)


def _mine(box: Box) -> DockerBox:
    assert isinstance(box, DockerBox), "a box of another driver"
    return box


def _fitted(profile: Profile, engine: Mapping[str, Any]) -> Profile:
    """Returns the profile as this engine can make it.

    Raises:
        EngineUnavailable: The engine lacks the profile's runtime.
    """
    _require_runtime(profile.runtime, engine)
    # The engine refuses a quota of more cores than it has, which would limit nothing anyway.
    cpus = min(profile.limits.cpus, float(engine["NCPU"]))
    return replace(profile, limits=replace(profile.limits, cpus=cpus))


def _require_runtime(runtime: str, engine: Mapping[str, Any]) -> None:
    runtimes = engine.get("Runtimes") or {}
    if runtime not in runtimes:
        known = ", ".join(sorted(runtimes))
        raise EngineUnavailable(
            f"the Docker engine has no OCI runtime {runtime!r} (it has: {known})"
        )


def _evidence(
    profile: Profile, container: Mapping[str, Any], controls: Sequence[Control]
) -> Evidence:
    """Writes down how a box is isolated."""
    return Evidence(
        driver=DockerDriver.name,
        runtime=container["HostConfig"]["Runtime"],
        image=profile.image,
        image_digest=container["Image"],
        box_id=container["Id"],
        controls=controls,
    )


async def _greeting(conversation: Conversation, container: DockerContainer) -> None:
    try:
        async with asyncio.timeout(_ANSWER_S):
            await conversation.greeting()
    except TimeoutError as error:
        raise EngineUnavailable("the sandbox did not start in time") from error
    except RunnerFault as error:
        raise EngineUnavailable(f"the sandbox's runner did not start: {error}") from error
    except BoxLost as error:
        state = await final_state(container)
        if state is None or state.get("Running") or state.get("ExitCode") == FAULT_STATUS:
            # Not a word of it has come through: the connection broke, and then its stdin ended.
            raise EngineAway("the connection to the sandbox broke") from error
        raise EngineUnavailable(f"the sandbox's runner did not start: {error}") from error
