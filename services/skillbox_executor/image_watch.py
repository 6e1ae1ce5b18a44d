"""Notices when the name of an image means another image than before."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from skillbox_executor.sandbox.interface import Box, Driver, EngineUnavailable, ImageMissing


class WaitingBoxes(Protocol):
    def waiting(self) -> Sequence[Box]:
        """Returns the boxes that wait for a run."""
        ...

    def drop(self, box: Box) -> None:
        """Destroys a box, if it still waits."""
        ...


async def watch_images(driver: Driver, boxes: WaitingBoxes, interval: float) -> None:
    """Drops boxes made of an image that a new box would not be made of, for ever."""
    while True:
        await asyncio.sleep(interval)
        digests: dict[str, str | None] = {}
        for box in boxes.waiting():
            image = box.profile.image
            with suppress(EngineUnavailable):
                if image not in digests:
                    digests[image] = await _digest(driver, image)
                if (await driver.evidence(box)).image_digest != digests[image]:
                    boxes.drop(box)


async def _digest(driver: Driver, image: str) -> str | None:
    try:
        return await driver.image_digest(image)
    except ImageMissing:
        return None
