"""Configuration from `SKILLBOX_*` variables, the same way in every service."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "SKILLBOX_"


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `SKILLBOX_X` from the file that `SKILLBOX_X_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return (Path(path).read_text().strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


class ServiceSettings(BaseSettings):
    """What every service needs. Field `x` is read from `SKILLBOX_X` or `SKILLBOX_X_FILE`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    listen: str = Field(description="host:port on which this service serves gRPC")
    db_dsn: SecretStr = Field(description="Postgres DSN")
    db_pool_size: int = Field(10, ge=1, le=500, description="Most Postgres connections")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    shutdown_grace: float = Field(10.0, ge=0, description="Seconds for calls in flight to end")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)


class ObjectStoreSettings(BaseSettings):
    """Where archives and artifacts are kept. Mixed into the services that need it."""

    s3_endpoint: str = Field(description="host:port or URL")
    s3_public_endpoint: str = Field("", description="Address that presigned URLs are signed for")
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    s3_region: str = "us-east-1"
    s3_bucket_skills: str = "skills"
    s3_bucket_executions: str = "executions"
    s3_use_ssl: bool = False


Settings = TypeVar("Settings", bound=ServiceSettings)


class ConfigurationError(Exception):
    """The environment is not complete or not valid; the text lists every problem."""


def load(settings: type[Settings]) -> Settings:
    """Reads the settings from the environment.

    Raises:
        ConfigurationError: One line for each variable that is missing or does not parse.
    """
    try:
        return settings()
    except ValidationError as error:
        lines = ["the configuration is not valid:"]
        for problem in error.errors(include_url=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            field = settings.model_fields.get(name)
            variable = f"{PREFIX}{name.upper()}"
            if problem["type"] == "missing":
                hint = f" ({field.description})" if field and field.description else ""
                lines.append(f"  {variable} is required{hint}")
            else:
                secret = field is not None and "Secret" in str(field.annotation)
                value = "(hidden)" if secret else repr(problem["input"])
                lines.append(f"  {variable}={value}: {problem['msg']}")
        raise ConfigurationError("\n".join(lines)) from None


def dump(settings: ServiceSettings) -> str:
    """Returns the effective values as JSON, secrets hidden."""
    values = settings.model_dump(mode="json")
    return json.dumps(
        {f"{PREFIX}{name.upper()}": value for name, value in values.items()}, indent=2
    )


def parse_command(
    settings: type[Settings], commands: Sequence[str], program: str
) -> tuple[str, Settings]:
    """Reads the command line of a service.

    Returns:
        The command (the first of `commands` when none is given) and the settings. Ends the
        process after `--print-config`, and with exit code 2 when the settings are not valid.
    """
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("command", nargs="?", default=commands[0], choices=commands)
    parser.add_argument(
        "--print-config", action="store_true", help="print the effective settings and end"
    )
    arguments = parser.parse_args()
    try:
        loaded = load(settings)
    except ConfigurationError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
    if arguments.print_config:
        print(dump(loaded))
        sys.exit(0)
    return arguments.command, loaded
