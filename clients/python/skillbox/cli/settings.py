"""The global options, which every command shares."""

from dataclasses import dataclass, field
from enum import StrEnum

import typer

from skillbox.client import Client

DEFAULT_SERVER = "http://localhost:8080"

_OPTIONS = {"base_url": "--server", "api_key": "--api-key", "tenant_id": "--tenant"}
"""Where the arguments of a client come from."""


class OutputFormat(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class Settings:
    """Values of the global options."""

    server: str = DEFAULT_SERVER
    api_key: str = field(default="", repr=False)
    tenant: str = ""
    output: OutputFormat = OutputFormat.TABLE

    @property
    def json(self) -> bool:
        """Whether results are printed as JSON."""
        return self.output is OutputFormat.JSON

    def client(self, timeout: float | None = None) -> Client:
        """Makes a client of the chosen server."""
        try:
            return Client(self.server, self.api_key, tenant_id=self.tenant, timeout=timeout)
        except ValueError as error:
            argument, _, problem = str(error).partition(": ")
            raise typer.BadParameter(problem, param_hint=_OPTIONS.get(argument)) from None


def settings_of(ctx: typer.Context) -> Settings:
    """Returns the global options of this invocation."""
    assert isinstance(ctx.obj, Settings)
    return ctx.obj
