"""The end-to-end suite against the stack of Docker Compose: the same tests, with its client.

Those of `test_bad_input` and `test_export` are in modules of that name, because they have fixtures
of their own. `LEFT_OUT` says which are not here, and why.
"""

from pathlib import Path

import pytest

from tests.e2e.test_live_logs import test_command_line, test_grpc_logs, test_grpc_run, test_rest
from tests.e2e.test_runs import (
    test_a_running_container_has_every_control,
    test_caller_that_leaves_cancels,
    test_twenty_at_once,
)

__all__ = [
    "test_a_running_container_has_every_control",
    "test_caller_that_leaves_cancels",
    "test_command_line",
    "test_grpc_logs",
    "test_grpc_run",
    "test_rest",
    "test_twenty_at_once",
]
pytestmark = [pytest.mark.docker, pytest.mark.timeout(600), pytest.mark.usefixtures("single_use")]

HERE = {
    "test_backup": "test_export",
    "test_bad_input": "test_bad_input",
    "test_live_logs": "test_end_to_end",
    "test_quick_start": "test_profiles",
    "test_runs": "test_end_to_end",
}
"""The modules of the suite, and where they run against Compose."""
LEFT_OUT = {
    "test_demo": "is about a script that starts `skillbox up`",
    "test_dependencies": "needs settings and an index of its own",
    "test_guarded": "needs settings of its own, and kills processes",
    "test_lifecycle": "is about `skillbox up` and its processes",
    "test_shared_cache": "needs a Redis of its own; that of Compose is in `test_profiles`",
}


def test_no_module_of_the_suite_is_forgotten() -> None:
    suite = Path(__file__).parents[1] / "e2e"
    assert {path.stem for path in suite.glob("test_*.py")} == HERE.keys() | LEFT_OUT.keys()
    for module, here in HERE.items():
        text = Path(__file__).with_name(f"{here}.py").read_text()
        assert f"from tests.e2e.{module.replace('test_quick', 'quick')} import" in text
