"""Envoy itself accepts what is rendered."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.run import command


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
    result = subprocess.run([*arguments, "--mode", "validate"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    # A deprecated field would be told here.
    assert result.stderr == ""


def test_render_command_prints_the_configuration() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "skillbox_gateway", "render"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('{\n  "node"')


def test_bad_settings_end_with_code_2() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "skillbox_gateway", "run"],
        capture_output=True,
        text=True,
        env={"SKILLBOX_EXECUTOR_ADDRESS": "somewhere"},
    )
    assert result.returncode == 2
    assert "SKILLBOX_EXECUTOR_ADDRESS='somewhere'" in result.stderr
