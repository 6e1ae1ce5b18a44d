"""Settings of the Registry."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from skillbox_common.config import ObjectStoreSettings, ServiceSettings, Size
from skillbox_common.units import parse_cpu
from skillbox_registry.limits import Limits


class Settings(ServiceSettings, ObjectStoreSettings):
    listen: str = Field("127.0.0.1:50052", description="host:port on which to serve gRPC")
    auth_address: str = Field("127.0.0.1:50051", description="host:port of Auth")
    max_skill_size: Size = Field(
        50 * 1024 * 1024, lt=2**31, description="Largest archive, in bytes"
    )
    max_memory: Size = Field(1024 * 1024 * 1024, description="Most that a skill may ask for")
    max_cpu: Annotated[float, BeforeValidator(parse_cpu)] = Field(
        4.0, description="Most cores that a skill may ask for"
    )
    immutable_versions: bool = Field(False, description="Refuse other bytes for a stored version")

    @property
    def limits(self) -> Limits:
        return Limits(max_memory=self.max_memory, max_cpu=self.max_cpu)
