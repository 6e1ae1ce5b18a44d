"""Command line of the gateway: `render` prints Envoy's configuration, `run` serves it."""

import sys

from skillbox_common.config import parse_command
from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.render import render
from skillbox_gateway.run import run

_PROGRAM = "python -m skillbox_gateway"


def main() -> None:
    command, settings = parse_command(GatewaySettings, ("run", "render"), _PROGRAM)
    if command == "render":
        print(render(settings))
        return
    try:
        run(settings)
    except FileNotFoundError as error:
        sys.exit(f"{_PROGRAM}: {error}")
