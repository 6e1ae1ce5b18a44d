"""What a waiting box costs."""

import asyncio
from contextlib import suppress
from typing import Any

import psutil

from benchmarks.goals import BUBBLEWRAP, DOCKER, IDLE
from benchmarks.raw import LIMITS
from benchmarks.suite import DOCKER_HOST, Suite
from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.interface import Box, Driver, Language, Profile

_BOXES = 5
_MIB = 1024 * 1024


async def idle(suite: Suite) -> None:
    """MiB of memory for each waiting box, by language and engine.

    On Docker what the engine accounts to the container, without the cache that the kernel can
    drop; on bubblewrap the box's processes, each shared page divided by those who share it.
    """
    for engine in suite.live:
        driver: Driver = (
            BubblewrapDriver("benchmark")
            if engine == BUBBLEWRAP
            else DockerDriver(DOCKER_HOST, "benchmark")
        )
        try:
            for language in Language if engine == DOCKER else (Language.PYTHON,):
                profile = Profile(images.name(language), language, LIMITS, _runtime(engine))
                boxes = [await driver.prepare(profile) for _ in range(_BOXES)]
                await asyncio.sleep(0.5)
                used = [await _memory(suite, box) for box in boxes]
                values = suite.results.row(IDLE, f"{language.value}, {engine}").values
                values["MiB"] = sum(used) / len(used)
                for box in boxes:
                    await driver.destroy(box)
        finally:
            await driver.close()


def _runtime(engine: str) -> str:
    return engine.partition("/")[2] or "runc"


async def _memory(suite: Suite, box: Box) -> float:
    if hasattr(box, "container"):
        container = box.container
        stats: dict[str, Any] = (await container.stats(stream=False))[0]["memory_stats"]
        cache = stats["stats"].get("total_inactive_file", stats["stats"].get("inactive_file", 0))
        return float(stats["usage"] - cache) / _MIB
    return await asyncio.to_thread(_proportional, box.process.pid)  # type: ignore[attr-defined] # of this driver


def _proportional(pid: int) -> float:
    first = psutil.Process(pid)
    total = 0
    for process in (first, *first.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / _MIB
