"""Settings of the gateway, from `SKILLBOX_*` variables like those of the services."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from skillbox_common.config import PREFIX

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]+):(?P<port>[0-9]{1,5})")


class Address(NamedTuple):
    """One upstream replica."""

    host: str
    port: int

    @property
    def is_ip(self) -> bool:
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


def parse_addresses(text: str) -> list[Address]:
    """Splits `host:port[,host:port…]`; an IPv6 host stands in brackets.

    Raises:
        ValueError: A part is not `host:port`.
    """
    return [_parse_address(part.strip()) for part in text.split(",")]


def _parse_address(text: str) -> Address:
    parts = _ADDRESS.fullmatch(text)
    port = int(parts["port"]) if parts else 0
    if not parts or not 0 < port < 65536:
        raise ValueError(f"{text!r} is not valid: expected host:port, several split by commas")
    return Address(parts["host"].strip("[]"), port)


def _check_addresses(text: str) -> str:
    parse_addresses(text)
    return text


Addresses = Annotated[str, AfterValidator(_check_addresses)]
"""`host:port[,host:port…]`, one part for each replica; a DNS name may stand for several."""

KIB = 1024
MIB = 1024 * KIB


class GatewaySettings(BaseSettings):
    """Where the gateway listens, whom it forwards to, and what it lets through."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    api_host: str = Field("0.0.0.0", description="IP address to listen on")  # noqa: S104 - the edge
    api_port: int = Field(8080, ge=1, le=65535, description="REST and gRPC")
    admin_port: int = Field(0, ge=0, le=65535, description="Envoy's admin on loopback; 0 is off")

    auth_address: Addresses = "127.0.0.1:50051"
    registry_address: Addresses = "127.0.0.1:50052"
    executor_address: Addresses = "127.0.0.1:50053"

    files_address: Addresses | Literal[""] = Field(
        "", description="S3 server whose presigned downloads pass through; empty for none"
    )
    s3_bucket_executions: str = Field("executions", description="Bucket of those downloads")

    otlp_address: Addresses | Literal[""] = Field(
        "", description="OTLP/gRPC collector of Envoy's own spans; empty for none"
    )
    trusted_proxies: int = Field(
        0, ge=0, le=16, description="Proxies in front whose X-Forwarded-For is believed"
    )
    rate_limit: int = Field(
        0, ge=0, le=1_000_000, description="Requests per second and client address; 0 is off"
    )
    max_json_size: int = Field(
        4 * MIB, ge=1024, le=4 * MIB, description="Bytes of a request body that is not an upload"
    )
    max_reply_size: int = Field(32 * MIB, ge=MIB, description="Bytes of a reply that is no stream")
    max_header_size: int = Field(60, ge=8, le=512, description="KiB of a request's headers")
    max_connections: int = Field(10_000, ge=1, description="Most connections of clients at once")
    log_level: str = Field("warning", pattern="^(debug|info|warning|error)$")
