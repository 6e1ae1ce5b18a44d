"""The command line of a service: `python -m skillbox_auth [serve|migrate]`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from skillbox_common.config import ConfigurationError, ServiceSettings, parse_command
from skillbox_common.errors import SkillboxError
from skillbox_common.logs import configure_logging
from skillbox_common.migrate import migrate
from skillbox_common.server import AddressTaken
from skillbox_common.telemetry.export import exporting

Service = TypeVar("Service", bound=ServiceSettings)


def service_main(
    package: str,
    schema: str,
    settings: type[Service],
    serve: Callable[[Service], Awaitable[None]],
) -> None:
    """Reads the settings, then serves until a signal says stop, or migrates `schema`.

    Ends the process with exit code 2 when the settings are not valid, and with 1 and one line
    on stderr when the address is taken or the database does not answer.
    """
    program = f"python -m {package}"
    command, loaded = parse_command(settings, ("serve", "migrate"), program)
    configure_logging(loaded.log_level, schema)

    async def work() -> None:
        if command == "migrate":
            await migrate(package, loaded.db_dsn.get_secret_value(), schema)
        else:
            with exporting(schema, loaded.metrics_listen):
                await serve(loaded)

    try:
        asyncio.run(work())
    except ConfigurationError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    except (SkillboxError, AddressTaken) as error:
        sys.exit(f"{program}: {error}")
