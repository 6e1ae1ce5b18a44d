"""HAProxy's own opinion of what is rendered."""

import asyncio
from pathlib import Path

from skillbox_executor.config import DOCUMENTED_IMAGES
from skillbox_executor.sandbox.interface import Limits
from skillbox_executor.sandbox.proxy import BODIES, CONFIG, ProxySettings, render, write

SETTINGS = ProxySettings(images=DOCUMENTED_IMAGES, most=Limits(memory_bytes=1 << 30, cpus=4))


async def check(folder: Path) -> tuple[int | None, bytes]:
    process = await asyncio.create_subprocess_exec(
        "/usr/sbin/haproxy",
        "-c",
        "-f",
        str(folder / CONFIG),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said


async def test_the_rendering_is_valid_without_a_warning(tmp_path: Path) -> None:
    write(render(SETTINGS), tmp_path)
    assert await check(tmp_path) == (0, b"Configuration file is valid\n")


async def test_a_pattern_that_is_cut_off_is_no_pattern(tmp_path: Path) -> None:
    """HAProxy goes on reading in the middle of a line that is longer than its buffer."""
    files = render(SETTINGS)
    longest = max(files[BODIES].splitlines(), key=len)
    files[BODIES] = longest.replace('"HostConfig"', " " * 17_000 + '"HostConfig"') + "\n"
    write(files, tmp_path)
    code, said = await check(tmp_path)
    assert code == 1
    assert b"missing closing parenthesis" in said
