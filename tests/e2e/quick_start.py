"""The quick start of the documentation: five commands, checked one by one."""

import json
import subprocess
from pathlib import Path

from tests.e2e.stack import API_KEY, Client

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/skills/data-analysis"
INPUT = '{"data":[1,2,3,4,5]}'


def five_commands(client: Client) -> str:
    """Types the commands; returns the id of the first execution."""
    pushed = client.cli_ok("skill", "push", EXAMPLE)
    assert "data-analysis" in pushed
    listed = json.loads(client.cli_ok("-o", "json", "skill", "list"))
    assert [skill["name"] for skill in listed] == ["data-analysis"]

    result = json.loads(client.cli_ok("run", "data-analysis", "--input", INPUT))
    _check(result)
    execution_id: str = result["execution_id"]
    assert client.cli_ok("exec", "logs", execution_id) == result["logs"]

    _check(json.loads(_curl(client)))
    return execution_id


def check_history(client: Client, execution_id: str) -> None:
    """Checks that what `five_commands` did is still known."""
    listed = json.loads(client.cli_ok("-o", "json", "skill", "list"))
    assert [skill["name"] for skill in listed] == ["data-analysis"]
    record = json.loads(client.cli_ok("-o", "json", "exec", "get", execution_id))
    _check(record)
    assert record["input"] == json.loads(INPUT)
    assert client.cli_ok("exec", "logs", execution_id) == record["logs"]
    _check(json.loads(client.cli_ok("run", "data-analysis", "--input", INPUT)))


def _curl(client: Client) -> str:
    body = json.dumps({"skill": "data-analysis", "input": json.loads(INPUT)})
    return subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail", "--noproxy", "*"),
            *("-H", f"Authorization: Bearer {API_KEY}", "-d", body, f"{client.url}/v1/executions"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def _check(result: dict[str, object]) -> None:
    assert result["status"] == "success", result
    output = result["output"]
    assert isinstance(output, dict)
    assert output["row_count"] == 5
    assert output["mean"] == 3.0
