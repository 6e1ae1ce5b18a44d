"""The scripts of the examples do what they say."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import API_KEY, Client
from tests.examples.running import EXAMPLES, run


def test_curl(live: Client, tmp_path: Path) -> None:
    printed = run(live, tmp_path, EXAMPLES / "curl" / "quickstart.sh")
    assert '{"status":"ok"}' in printed
    assert '"row_count":5' in printed
    assert "Analysing 5 numbers\nWrote report.md\n" in printed
    assert "event: finished\n" in printed
    # Whatever its state was by then, the run that was started is the one that was waited for.
    _, _, started = printed.partition("== Start a run")
    first, second = re.findall(r'"execution_id":"([^"]+)"', started)
    assert first == second
    assert '"row_count":2' in printed
    assert "| mean | 3 |" in printed
    assert '{"error":"not_found","message":"skill not found: no-such-skill@latest"}' in printed
    assert API_KEY not in printed
    assert list(tmp_path.iterdir()) == []


def test_python(live: Client, tmp_path: Path) -> None:
    # Without site-packages: the standard library is all there is.
    printed = run(live, tmp_path, sys.executable, "-I", "-S", EXAMPLES / "python" / "run_skill.py")
    lines = printed.splitlines()
    assert any(line.startswith('success {"word_count": 5,') for line in lines)
    assert any(line.startswith('event log "Counted 5 words') for line in lines)
    assert "summary.txt A cat sat." in lines
    assert lines[-1] == "refused: 404 not_found: skill not found: no-such-skill@latest"


def test_python_sdk(live: Client, tmp_path: Path) -> None:
    lines = run(live, tmp_path, sys.executable, EXAMPLES / "python-sdk" / "main.py").splitlines()
    assert lines[:2] == ["success mean: 3.0", "files: ['report.md']"]
    assert "sums: [1.0, 3.0, 6.0, 10.0]" in lines
    assert "later: success mean: 8.0" in lines
    assert "failed 3 container exited with code 3" in lines
    assert "refused: skillbox: 404 not_found: skill not found: no-such-skill@latest" in lines
    assert lines[-1] == "success mean: 3.0"
    assert any(line.startswith("live: Analysing 2 numbers") for line in lines)


def test_grpc(live: Client, tmp_path: Path) -> None:
    archive = run(live, tmp_path, "skillbox", "skill", "package", EXAMPLES / "skills/slow-count")
    script = EXAMPLES / "grpc" / "stream.py"
    lines = run(live, tmp_path, sys.executable, script, archive.strip()).splitlines()
    assert lines[0] == "uploaded slow-count 1.0.0"
    assert {"1 queued", "2 started", "3 log 1"} <= set(lines)
    assert 'EXECUTION_STATUS_SUCCESS {"counted":4}' in lines
    assert lines[-1] == "refused: NOT_FOUND skill not found: no-such-skill@latest"


def test_langchain(live: Client, tmp_path: Path) -> None:
    script = EXAMPLES / "agent-integration" / "langchain_agent.py"
    lines = run(live, tmp_path, sys.executable, script, "What is the mean of 2 and 5?").splitlines()
    assert "calls skillbox_data_analysis {'input': {'data': [2, 5]}}" in lines
    assert lines[-1] == "ai: The mean is 3.5."


def test_mcp(live: Client, tmp_path: Path) -> None:
    script = EXAMPLES / "agent-integration" / "mcp_client.py"
    lines = run(live, tmp_path, sys.executable, script).splitlines()
    assert lines[0].startswith("tools: [") and "'data-analysis'" in lines[0]
    assert "progress 1: queued" in lines
    assert any(line.startswith("log of data-analysis: Analysing 3 numbers") for line in lines)
    assert any(line.startswith("result: {'row_count': 3,") for line in lines)
    assert "report.md: # Report" in lines
    assert lines[-1] == "failed: True"


def test_the_configuration_of_a_host_is_json() -> None:
    text = (EXAMPLES / "agent-integration" / "README.md").read_text()
    [block] = [part.partition("```")[0] for part in text.split("```json\n")[1:]]
    [server] = json.loads(block)["mcpServers"].values()
    assert shlex.join([server["command"], *server["args"]]) == "skillbox mcp"


@pytest.mark.parametrize(
    "readme", [EXAMPLES / "README.md", *sorted(EXAMPLES.glob("*/README.md"))], ids=str
)
def test_each_page_fits_one(readme: Path) -> None:
    limit = 100 if readme.parent.name == "write-your-first-skill" else 60
    assert len(readme.read_text().splitlines()) <= limit
