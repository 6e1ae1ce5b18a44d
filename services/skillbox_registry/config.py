"""Settings of the Registry."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from skillbox_common.config import (
    CacheSettings,
    Duration,
    ObjectStoreSettings,
    ServiceSettings,
    Size,
)
from skillbox_common.units import parse_cpu
from skillbox_registry.limits import Limits


class Settings(ServiceSettings, ObjectStoreSettings, CacheSettings):
    listen: str = Field("127.0.0.1:50052", description="host:port on which to serve gRPC")
    auth_address: str = Field("127.0.0.1:50051", description="host:port of Auth")
    executor_address: str = Field(
        "127.0.0.1:50053", description="host:port of the Executor, which installs packages"
    )
    max_skill_size: Size = Field(
        50 * 1024 * 1024, lt=2**31, description="Largest archive, in bytes"
    )
    max_memory: Size = Field(1024 * 1024 * 1024, description="Most that a skill may ask for")
    max_cpu: Annotated[float, BeforeValidator(parse_cpu)] = Field(
        4.0, description="Most cores that a skill may ask for"
    )
    idempotency_ttl: Duration = Field(
        24 * 3600.0, description="How long the key of an upload is remembered"
    )
    unneeded_archives: Duration = Field(
        24 * 3600.0, description="An archive that no version has had for so long is removed"
    )
    sweep_interval: Duration = Field(600.0, description="Between two looks for such archives")
    immutable_versions: bool = Field(False, description="Refuse other bytes for a stored version")

    @property
    def limits(self) -> Limits:
        return Limits(max_memory=self.max_memory, max_cpu=self.max_cpu)
