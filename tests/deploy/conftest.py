"""One stack of Docker Compose for all tests of this folder. It starts in about a minute.

The first time it takes some minutes more, in which images are built; they are kept.
"""

import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.deploy.compose_stack import ComposeStack
from tests.e2e.conftest import single_use
from tests.e2e.stack import Client
from tests.support.parts import free_port

__all__ = ["client", "single_use", "stack"]


@pytest.fixture(scope="package")
async def stack() -> AsyncIterator[ComposeStack]:
    """The stack, started by the command of the README; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="skillbox-compose-") as name:
        made = ComposeStack(
            Path(name),
            "docker",
            project=f"skillbox-test-{secrets.token_hex(4)}",
            port=free_port(),
        )
        made.choose_key()
        try:
            started = time.monotonic()
            made.typed("make", "compose-up")
            print(f"make compose-up: {time.monotonic() - started:.0f} s", file=sys.stderr)
            yield made
        finally:
            made.remove()
        assert not await made.remains()


@pytest.fixture(scope="package")
def client(stack: ComposeStack) -> Client:
    """The same name as in the end-to-end tests, so that those run here, too."""
    return Client(stack, stack.url)
