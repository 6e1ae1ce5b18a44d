"""Bad input to the stack of Docker Compose."""

import pytest

from tests.e2e.test_bad_input import (
    nothing_stored,
    test_body,
    test_call,
    test_input_that_is_no_json_over_grpc,
    test_path,
    test_upload,
)

__all__ = [
    "nothing_stored",
    "test_body",
    "test_call",
    "test_input_that_is_no_json_over_grpc",
    "test_path",
    "test_upload",
]
pytestmark = [pytest.mark.docker, pytest.mark.timeout(600), pytest.mark.usefixtures("single_use")]
