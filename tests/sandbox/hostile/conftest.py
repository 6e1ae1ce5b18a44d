"""The sandboxes under attack, and what on the host must not be reached from them."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping

import pytest
from aiodocker import Docker

from skillbox_executor.sandbox.interface import Language
from tests.sandbox.hostile.arena import Arena, descriptors
from tests.sandbox.hostile.attack import SANDBOXES

OUTCOMES: dict[str, dict[str, str]] = {}
"""How each attack ended in each sandbox, as far as it ran."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what was seen; docs/SANDBOX-ATTACKS.md says what must be."""
    if not OUTCOMES:
        return
    terminalreporter.section("attacks")
    widths = [max(map(len, OUTCOMES)), *(40 for _ in SANDBOXES)]
    for name, ends in {"": dict(zip(SANDBOXES, SANDBOXES, strict=True)), **OUTCOMES}.items():
        cells = [name, *(ends.get(sandbox, "") for sandbox in SANDBOXES)]
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        terminalreporter.write_line(line.rstrip())


class Bait:
    """A port and a socket of the host, and a secret, that no skill may reach."""

    def __init__(self) -> None:
        self.bitten: list[str] = []
        self.secret = secrets.token_hex(16)
        self.arguments: list[str] = []

    async def bite(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.bitten.append(str(writer.get_extra_info("peername")))
        writer.close()


@pytest.fixture(scope="session")
async def bait() -> AsyncIterator[Bait]:
    """Listens while the attacks run."""
    bait = Bait()
    abstract = f"skillbox-bait-{bait.secret[:8]}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0" + abstract)
    tcp = await asyncio.start_server(bait.bite, "0.0.0.0", 0)
    unix = await asyncio.start_unix_server(bait.bite, sock=listener)
    port = tcp.sockets[0].getsockname()[1]
    bait.arguments = [str(port), abstract, bait.secret[::-1]]
    os.environ["SKILLBOX_BAIT"] = bait.secret
    async with tcp, unix:
        yield bait
    del os.environ["SKILLBOX_BAIT"]


@pytest.fixture(scope="session", params=SANDBOXES)
async def arena(
    request: pytest.FixtureRequest,
    docker_host: str,
    docker: Docker,
    sandbox_images: Mapping[Language, str],
) -> AsyncIterator[Arena]:
    """Each sandbox in turn. One that is missing fails the tests."""
    before = descriptors()
    arena = Arena(request.param, docker_host, docker, sandbox_images)
    try:
        await arena.driver.check()
        yield arena
    finally:
        await arena.driver.close()
    assert await arena.traces() == []
    assert descriptors() - before == set()
