"""Configuration from `SKILLBOX_*` variables, the same way in every service."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from skillbox_common.units import parse_duration, parse_size

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "SKILLBOX_"


def _seconds(value: object) -> float:
    # Defaults are given in seconds already.
    return value if isinstance(value, float) else parse_duration(value)


Size = Annotated[int, BeforeValidator(parse_size)]
"""Bytes; read from `256Mi`."""

Duration = Annotated[float, BeforeValidator(_seconds)]
"""Seconds; read from `1m30s`."""

# An empty variable counts as missing: compose files pass on what is not set as "".
_CONFIG = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)


class ConfigurationError(Exception):
    """The environment is not complete or not valid; the text lists every problem."""


def _variable(field_name: str) -> str:
    return f"{PREFIX}{field_name.upper()}"


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `SKILLBOX_X` from the file that `SKILLBOX_X_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{_variable(field_name)}_FILE"
        path = os.environ.get(variable)
        try:
            text = Path(path).read_text().strip() if path else ""
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ConfigurationError(f"  {variable}={path!r}: cannot be read: {reason}") from None
        return text or None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, _, _ = self.get_field_value(field, name)
            if value is not None:
                found[name] = value
        return found


class ServiceSettings(BaseSettings):
    """What every service needs. Field `x` is read from `SKILLBOX_X` or `SKILLBOX_X_FILE`."""

    model_config = _CONFIG

    listen: str = Field(description="host:port on which this service serves gRPC")
    db_dsn: SecretStr = Field(description="Postgres DSN")
    db_pool_size: int = Field(10, ge=1, le=500, description="Most Postgres connections")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    shutdown_grace: float = Field(10.0, ge=0, description="Seconds for calls in flight to end")
    metrics_listen: str = Field(
        "",
        pattern=r"^([^\s:]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$|^$",
        description="host:port of an endpoint for Prometheus; empty for none",
    )

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

    # Again, because the last base of a class decides its configuration.
    model_config = _CONFIG

    s3_endpoint: str = Field(description="host:port or URL")
    s3_public_endpoint: str = Field(
        "",
        description="Address that presigned URLs are signed for; `caller` for the one under which "
        "a caller reached the gateway, which then has to pass downloads on",
    )
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    s3_region: str = "us-east-1"
    s3_bucket_skills: str = "skills"
    s3_bucket_executions: str = "executions"
    s3_use_ssl: bool = False


class CacheSettings(BaseSettings):
    """The cache that replicas may share. Mixed into the services that can use it."""

    model_config = _CONFIG

    redis_url: SecretStr = Field(
        SecretStr(""), description="redis://, rediss:// or unix:// URL of a cache; empty for none"
    )
    cache_secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs what is in the cache; the same for all services, at least 32 characters",
    )

    @model_validator(mode="after")
    def _cache_is_complete(self) -> Self:
        url = self.redis_url.get_secret_value()
        if url and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("SKILLBOX_REDIS_URL: expected redis://, rediss:// or unix://")
        if bool(url) != (self.cache_secret is not None):
            raise ValueError("SKILLBOX_REDIS_URL and SKILLBOX_CACHE_SECRET need each other")
        return self


Settings = TypeVar("Settings", bound=BaseSettings)


def load(settings: type[Settings]) -> Settings:
    """Reads the settings from the environment.

    Raises:
        ConfigurationError: One line for each variable that is missing or does not parse.
    """
    try:
        return settings()
    except ConfigurationError as error:
        problems = [str(error)]
    except SettingsError as error:
        problems = [f"  {error}"]
    except ValidationError as error:
        problems = [_describe(settings, problem) for problem in error.errors(include_url=False)]
    raise ConfigurationError("\n".join(["the configuration is not valid:", *problems]))


def _describe(settings: type[Settings], problem: "ErrorDetails") -> str:
    if not problem["loc"]:
        # The input is everything that was read, secrets too.
        return f"  {problem['msg']}"
    name = str(problem["loc"][0])
    field = settings.model_fields.get(name)
    if problem["type"] == "missing":
        hint = f" ({field.description})" if field and field.description else ""
        return f"  {_variable(name)} is required{hint}"
    secret = field is None or "Secret" in str(field.annotation)
    value = "(hidden)" if secret else repr(problem["input"])
    return f"  {_variable(name)}={value}: {problem['msg']}"


def dump(settings: BaseSettings) -> str:
    """Returns the effective values as JSON, secrets hidden."""
    values = settings.model_dump(mode="json")
    return json.dumps({_variable(name): value for name, value in values.items()}, indent=2)


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
