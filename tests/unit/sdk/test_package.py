import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import skillbox

PROBE = """
import json, sys, time
before = time.process_time()
import skillbox
seconds = time.process_time() - before
print(json.dumps({"seconds": seconds, "modules": sorted(sys.modules)}))
"""


def test_the_bare_import_is_quick_and_alone() -> None:
    runs = [
        json.loads(subprocess.check_output([sys.executable, "-c", PROBE], timeout=30))
        for _ in range(3)
    ]
    # Of the processor, since the machine may be busy; the first one may compile.
    assert min(run["seconds"] for run in runs) < 0.15
    for name in ("grpc", "google.protobuf", "typer", "rich", "yaml", "asyncio"):
        assert name not in runs[0]["modules"]


def test_the_standard_library_is_all_it_needs() -> None:
    # Without site-packages, and so without every dependency.
    folder = Path(skillbox.__file__).parents[1]
    code = f"import sys; sys.path.append({str(folder)!r}); import skillbox, skillbox.mentions"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=30)


def test_the_version_is_that_of_the_distribution() -> None:
    assert skillbox.__version__ == version("skillbox")


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        skillbox.nothing  # noqa: B018 - the access is the test
