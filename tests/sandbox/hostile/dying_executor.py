"""An Executor that takes a box to one point of a run, says `ready`, and waits to be killed."""

import asyncio
import sys

from skillbox_executor.runner import header
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.frames import Output, Result, encode_length
from skillbox_executor.sandbox.interface import Box, Driver, Language, Payload, Profile
from tests.sandbox.hostile.attack import BASH, BUBBLEWRAP, LIMITS, MIB, NODE, PYTHON
from tests.sandbox.skills import payload

POINTS = ("waiting", "payload", "running", "result")
SCRIPTS = {
    "running": {
        PYTHON: "import time; print('up'); time.sleep(600)",
        NODE: "console.log('up'); setTimeout(() => {}, 600000)",
        BASH: "echo up; sleep 600",
    },
    "result": {
        PYTHON: "open('out/files/x', 'wb').write(bytes(12 << 20))",
        NODE: "require('fs').writeFileSync('out/files/x', Buffer.alloc(12 << 20))",
        BASH: "head -c 12000000 /dev/zero >out/files/x",
    },
}


async def main(
    sandbox: str, owner: str, docker_host: str, language: str, image: str, point: str
) -> None:
    runtime = sandbox.partition("/")[2] or "runc"
    profile = Profile(image, Language(language), LIMITS, runtime)
    driver: Driver = (
        BubblewrapDriver(owner) if sandbox == BUBBLEWRAP else DockerDriver(docker_host, owner)
    )
    box = await driver.prepare(profile)
    if point == "payload":
        await send_half(box, payload(profile.language, "", files={"x": bytes(4 * MIB)}))
    elif point != "waiting":
        wanted = Output if point == "running" else Result
        async for frame in driver.run(
            box, payload(profile.language, SCRIPTS[point][profile.language])
        ):
            if isinstance(frame, wanted):
                break
    print("ready", flush=True)
    await asyncio.sleep(600)


async def send_half(box: Box, what: Payload) -> None:
    """Sends the header and a part of the tar."""
    wire = box.conversation._wire  # type: ignore[attr-defined] # of every driver's boxes
    head, tar = header(box.profile.language, what), what.tar[0]
    await wire.send(encode_length(len(head)) + head + encode_length(len(tar)) + tar[: 1 * MIB])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
