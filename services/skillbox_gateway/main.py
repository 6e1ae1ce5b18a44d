"""Command line of the gateway: `render` prints Envoy's configuration, `run` serves it."""

from skillbox_common.config import parse_command
from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.render import render
from skillbox_gateway.run import run


def main() -> None:
    command, settings = parse_command(
        GatewaySettings, ("run", "render"), "python -m skillbox_gateway"
    )
    if command == "render":
        print(render(settings))
    else:
        run(settings)
