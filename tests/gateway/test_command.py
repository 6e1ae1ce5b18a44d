"""`python -m skillbox_gateway`, and what Envoy thinks of the configuration."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.render import render
from skillbox_gateway.run import command
from tests.support.parts import free_port


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env=env or {})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rate_limit": 10, "admin_port": 9901, "trusted_proxies": 1},
        {"registry_address": "localhost:1,localhost:2", "auth_address": "[::1]:5,10.0.0.1:5"},
        {"api_host": "::", "max_json_size": 1024},
    ],
)
def test_configuration_is_valid(settings: dict[str, Any], tmp_path: Path) -> None:
    arguments = command(GatewaySettings(**settings), tmp_path / "envoy.json")
    result = run(*arguments, "--mode", "validate")
    assert result.returncode == 0, result.stderr
    # A deprecated field would be told here.
    assert result.stderr == ""


def test_render_command_prints_the_configuration() -> None:
    result = run(sys.executable, "-m", "skillbox_gateway", "render")
    assert result.returncode == 0, result.stderr
    assert result.stdout == render(GatewaySettings()) + "\n"


def test_bad_settings_end_with_code_2() -> None:
    result = run(
        sys.executable, "-m", "skillbox_gateway", env={"SKILLBOX_EXECUTOR_ADDRESS": "somewhere"}
    )
    assert result.returncode == 2
    assert "SKILLBOX_EXECUTOR_ADDRESS='somewhere'" in result.stderr


async def test_run_becomes_envoy_and_ends_when_told(tmp_path: Path) -> None:
    port = free_port()
    env = {
        "SKILLBOX_API_HOST": "127.0.0.1",
        "SKILLBOX_API_PORT": str(port),
        "TMPDIR": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "skillbox_gateway", env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20), httpx.AsyncClient() as client:
            while True:
                try:
                    reply = await client.get(f"http://127.0.0.1:{port}/health")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        assert reply.text == '{"status":"ok"}'
        # No process stands between Envoy and whoever started it.
        assert psutil.Process(process.pid).name() == "envoy"
    finally:
        process.terminate()
        _, complaints = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in complaints.splitlines()] == [
        "caught ENVOY_SIGTERM"
    ]
