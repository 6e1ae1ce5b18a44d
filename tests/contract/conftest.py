"""One stack for all cases."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.setting import Setting, running, set_up


@pytest.fixture(scope="session")
async def setting() -> AsyncIterator[Setting]:
    async with running(SKILLBOX_MAX_SKILL_SIZE="1Mi") as client, set_up(client) as setting:
        yield setting
