"""Settings of the Executor."""

import os
import socket
from typing import Annotated, Literal

import psutil
from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from skillbox_common.config import Duration, ObjectStoreSettings, ServiceSettings, Size
from skillbox_executor.sandbox.interface import Language

DOCUMENTED_IMAGES = (
    "python:3.12-slim",
    "python:3.11-slim",
    "node:20-slim",
    "node:18-slim",
    "bash:5",
)


def _names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def default_concurrency() -> int:
    """Returns how many executions this machine should run at once.

    Skills wait more than they compute, hence several per core; each may use its memory
    limit, hence no more than half of the memory holds at the default limit.
    """
    by_cpu = 4 * (os.cpu_count() or 1)
    by_memory = psutil.virtual_memory().total // 2 // (256 * 1024 * 1024)
    return int(max(1, min(by_cpu, by_memory, 64)))


class ExecutorSettings(ServiceSettings, ObjectStoreSettings):
    listen: str = "127.0.0.1:50053"
    auth_address: str = "127.0.0.1:50051"
    registry_address: str = "127.0.0.1:50052"
    executor_id: str = Field(
        default_factory=socket.gethostname,
        description="Owner of sandboxes and executions; stays the same over restarts",
    )

    sandbox: Literal["docker", "bubblewrap"] = "docker"
    docker_host: str = "tcp://localhost:2375"
    oci_runtime: str = "runc"
    image_allowlist: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = (
        DOCUMENTED_IMAGES
    )
    default_image_python: str = "python:3.12-slim"
    default_image_node: str = "node:20-slim"
    default_image_bash: str = "bash:5"

    default_timeout: Duration = 120.0
    max_timeout: Duration = 600.0
    default_memory: Size = 256 * 1024 * 1024
    max_memory: Size = 1024 * 1024 * 1024
    default_cpu: float = Field(0.5, gt=0)
    max_cpu: float = Field(4.0, gt=0)
    max_output_size: int = Field(1024 * 1024, ge=1024, description="Bytes of log kept")
    max_files: int = Field(1000, ge=1)
    max_concurrent_execs: int = Field(default_factory=default_concurrency, ge=1)
    max_queue: int = Field(1000, ge=0, description="Executions that may wait for a slot")
    pool_size: int = Field(4, ge=0, description="Sandboxes started ahead, all profiles; 0 for none")
    pool_profile_size: int = Field(4, ge=0, description="The same for one profile")
    pool_parallel_starts: int = Field(2, ge=1, description="Sandboxes started ahead at a time")
    pool_idle: Duration = 300.0
    pool_age: Duration = 600.0
    bundle_cache_size: Size = 128 * 1024 * 1024

    def default_image(self, language: Language) -> str:
        return {
            Language.PYTHON: self.default_image_python,
            Language.NODE: self.default_image_node,
            Language.BASH: self.default_image_bash,
        }[language]
