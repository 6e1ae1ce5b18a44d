"""`skillbox export` and `skillbox import` against the stack of Docker Compose."""

import pytest

from tests.deploy.compose_stack import ComposeStack
from tests.e2e.stack import Client
from tests.e2e.test_backup import (
    client,
    test_damage_is_found_before_anything_is_sent,
    test_other_bytes_are_left_alone,
    test_there_and_back,
    test_what_is_no_backup,
)

__all__ = [
    "client",
    "test_damage_is_found_before_anything_is_sent",
    "test_other_bytes_are_left_alone",
    "test_there_and_back",
    "test_what_is_no_backup",
]
pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def emptied(stack: ComposeStack) -> Client:
    """The stack that is there: these tests begin by deleting the skills of others."""
    return Client(stack, stack.url)
