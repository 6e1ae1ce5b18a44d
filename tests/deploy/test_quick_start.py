"""What the documentation says to type."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.deploy.compose_stack import ComposeStack
from tests.e2e.quick_start import EXAMPLE, INPUT
from tests.e2e.stack import API_KEY, Client, skillbox

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600), pytest.mark.usefixtures("single_use")]


async def test_quick_start(client: Client, tmp_path: Path) -> None:
    client.cli_ok("skill", "push", EXAMPLE)
    listed = json.loads(client.cli_ok("-o", "json", "skill", "list"))
    assert "data-analysis" in [skill["name"] for skill in listed]
    result = json.loads(
        client.cli_ok("run", "data-analysis", "--input", INPUT, "--download", tmp_path)
    )
    assert (result["status"], result["output"]["mean"]) == ("success", 3.0), result
    assert client.cli_ok("exec", "logs", result["execution_id"]) == result["logs"]
    # The link to the files leads through the gateway.
    assert result["files_url"].startswith(client.url)
    assert (tmp_path / "report.md").exists()


async def test_a_seeded_key_runs_skills_and_makes_no_keys(stack: ComposeStack) -> None:
    seeded = await asyncio.to_thread(_seed, stack, "test", "executions:run", "skills:read")
    assert seeded.startswith("sk-")
    assert seeded != API_KEY
    env = {"SKILLBOX_SERVER_URL": stack.url, "SKILLBOX_API_KEY": seeded}
    ran = skillbox("run", "data-analysis", "--input", '{"data":[1,2]}', env=env)
    assert json.loads(ran.stdout)["status"] == "success", ran.stderr
    assert skillbox("apikey", "create", env=env).returncode == 5


async def test_the_command_line_makes_keys(client: Client) -> None:
    secret = client.cli_ok("apikey", "create", "--name", "by-hand").strip()
    env = {**client.env, "SKILLBOX_API_KEY": secret}
    assert skillbox("skill", "list", env=env).returncode == 0


async def test_every_example(stack: ComposeStack) -> None:
    printed = await asyncio.to_thread(stack.typed, "make", "compose-examples")
    assert "All examples ended as they should." in printed
    assert printed.count("\nok ") == 9


def _seed(stack: ComposeStack, *arguments: str) -> str:
    return stack.typed(
        *("env", f"SKILLBOX_SERVER_URL={stack.url}"),
        f"SKILLBOX_ADMIN_KEY_FILE={stack.secrets / 'api_key'}",
        *("scripts/seed-apikey.sh", *arguments),
    ).strip()
