"""Settings of the Auth service."""

import re

from pydantic import Field, SecretStr, field_validator

from skillbox_common.config import ServiceSettings

# What a client can send as bearer token and the other services pass on.
_TOKEN = re.compile(r"[!-~](?:[ -~]{0,510}[!-~])?", re.ASCII)


class Settings(ServiceSettings):
    listen: str = Field("127.0.0.1:50051", description="host:port on which Auth serves gRPC")
    bootstrap_api_key: SecretStr | None = Field(
        None, description="A first key with the scope admin, created if absent"
    )
    bootstrap_tenant: str = Field(
        "default",
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Tenant of the bootstrap key",
    )

    @field_validator("bootstrap_api_key")
    @classmethod
    def _can_be_sent(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _TOKEN.fullmatch(key.get_secret_value()):
            raise ValueError("expected 1 to 512 printable ASCII characters, no space at either end")
        return key
