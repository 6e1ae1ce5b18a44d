"""Settings of the Executor."""

import socket
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from skillbox_common.config import (
    CacheSettings,
    Duration,
    ObjectStoreSettings,
    ServiceSettings,
    Size,
)
from skillbox_executor import runtimes
from skillbox_executor.admission import Limits
from skillbox_executor.capacity import capacity
from skillbox_executor.sandbox.interface import Language

DOCUMENTED_IMAGES = (
    "python:3.12-slim",
    "python:3.11-slim",
    "node:20-slim",
    "node:18-slim",
    "bash:5",
)


# Of memory, files and processes, for executions.
_SHARE = 0.5


def _names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _languages(value: object) -> object:
    return () if value == "none" else _names(value)


def default_concurrency(settings: dict[str, Any]) -> int:
    """Returns how many executions this machine should run at once, by the settings before.

    Skills wait more than they compute, hence several per core. The rest of memory, files and
    processes is for everything else.
    """
    has = capacity()
    counts = [
        has.cpus * settings["execs_per_cpu"],
        has.memory * _SHARE // settings["exec_memory"],
        has.files * _SHARE // settings["exec_files"],
        settings["execs_cap"],
    ]
    if has.pids is not None:
        counts.append(has.pids * _SHARE // settings["exec_pids"])
    return max(1, int(min(counts)))


def _a_quarter(slots: int) -> int:
    return max(1, slots // 4) if slots > 1 else 0


class ExecutorSettings(ServiceSettings, ObjectStoreSettings, CacheSettings):
    listen: str = "127.0.0.1:50053"
    auth_address: str = "127.0.0.1:50051"
    registry_address: str = "127.0.0.1:50052"
    executor_id: str = Field(
        default_factory=socket.gethostname,
        description="Owner of sandboxes and executions; stays the same over restarts",
    )

    sandbox: Literal["docker", "bubblewrap"] = "docker"
    docker_host: str = "tcp://localhost:2375"
    oci_runtime: str = Field(runtimes.DEFAULT, description="Of every skill that asks for no other")
    oci_runtimes: Annotated[tuple[str, ...], NoDecode, BeforeValidator(runtimes.parse_names)] = (
        Field((), description="Further ones that a skill may ask for")
    )
    runtime_policy: Annotated[
        tuple[runtimes.Rule, ...], NoDecode, BeforeValidator(runtimes.parse_rules)
    ] = Field(
        (),
        description="TENANT/SKILL=RUNTIME,…, the left sides globs: what the operator demands; the "
        "first that fits counts",
    )
    allow_missing_controls: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        (), description="Controls of a sandbox to do without where they cannot be applied"
    )
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
    execs_per_cpu: float = Field(4.0, gt=0)
    exec_memory: Size = Field(256 * 1024 * 1024, description="Reckoned for one execution")
    exec_files: int = Field(16, ge=1, description="The same in file descriptors")
    exec_pids: int = Field(32, ge=1, description="The same in processes and threads")
    execs_cap: int = Field(64, ge=1, description="Never more slots than these by reckoning")
    max_concurrent_execs: int = Field(
        default_factory=default_concurrency,
        ge=1,
        description="Slots of this replica; reckoned from the five settings above unless set",
    )
    reserved_execs: int = Field(
        default_factory=lambda settings: _a_quarter(settings["max_concurrent_execs"]),
        ge=0,
        description="Slots that a tenant leaves to others, unless it has been alone for five "
        "minutes; a quarter of them unless set",
    )
    max_queue: int = Field(
        1000, ge=0, description="Executions that may wait for a slot, over all replicas"
    )
    tenant_max_queue: int = Field(
        default_factory=lambda settings: (settings["max_queue"] + 1) // 2,
        ge=0,
        description="The same for one tenant; half of the queue unless set",
    )
    tenant_max_concurrent: int | None = Field(
        None, ge=1, description="Executions of one tenant that run at once, over all replicas"
    )
    tenant_rate: float | None = Field(
        None, gt=0, description="Executions per second that one tenant may start"
    )
    tenant_burst: int = Field(20, ge=1, description="How many of them may come at once")
    idempotency_ttl: Duration = Field(24 * 3600.0, description="How long a key is remembered")
    move_events_after: Duration = Field(
        600.0, description="After an execution's end its events go to the object store"
    )
    retention: Duration | Literal["forever"] = Field(
        30 * 24 * 3600.0, description="After an execution's end it is forgotten, or `forever`"
    )
    sweep_interval: Duration = Field(60.0, description="Between two looks at both")
    heartbeat: Duration = Field(2.0, description="Between two signs of life of a replica")
    lease: Duration = Field(
        10.0, description="A replica without a sign of life for so long loses its executions"
    )
    engine_wait: Duration = Field(
        600.0, description="What waits for a sandbox engine that is away ends after so long"
    )
    pool_size: int = Field(6, ge=0, description="Sandboxes started ahead, all profiles; 0 for none")
    pool_profile_size: int = Field(4, ge=0, description="The same for one profile")
    pool_profile_min: int = Field(1, ge=0, description="For a profile that nobody used lately")
    pool_prewarm: Annotated[tuple[Language, ...], NoDecode, BeforeValidator(_languages)] = Field(
        tuple(Language),
        description="Languages whose default profile is warm from the start; `none` for none",
    )
    pool_parallel_starts: int = Field(
        default_factory=lambda: max(2, int(capacity().cpus)),
        ge=1,
        description="Sandboxes started ahead at a time; one per core, two at least, unless set",
    )
    pool_idle: Duration = 300.0
    pool_age: Duration = 600.0
    bundle_cache_size: Size = 128 * 1024 * 1024
    bundle_dir: Path = Field(
        Path("/var/lib/skillbox/bundles"),
        description="Keeps archives of skills; this user's alone",
    )
    bundle_dir_size: Size = Field(1024 * 1024 * 1024, description="Of all of them")

    dependencies: Literal["off", "vendored", "on"] = Field(
        "vendored",
        description="Packages that skills ask for: ignored; only those that the archive brings; "
        "also those of the index, which a box with a network installs",
    )
    pip_index_url: SecretStr = Field(SecretStr(""), description="Empty for pip's own default")
    npm_registry: SecretStr = Field(SecretStr(""), description="Empty for npm's own default")
    dependency_dir: Path = Field(
        Path("/var/lib/skillbox/dependencies"),
        description="Where bubblewrap finds dependency sets; Docker has volumes",
    )
    builder_docker_host: str = Field(
        "",
        description="The socket proxy's listener for boxes with a network; empty: docker_host",
    )
    builder_memory: Size = Field(
        2 * 1024 * 1024 * 1024,
        ge=512 * 1024 * 1024,
        description="Of a box that installs packages; it also holds them meanwhile",
    )
    builder_timeout: Duration = 600.0
    dependency_retry: Duration = Field(300.0, description="Until a run tries again what failed")
    dependency_ttl: Duration = Field(
        30 * 24 * 3600.0, description="Sets that no run used for so long are removed"
    )

    @property
    def limits(self) -> Limits:
        return Limits(
            slots=self.max_concurrent_execs,
            queue=self.max_queue,
            tenant_queue=self.tenant_max_queue,
            reserved=min(self.reserved_execs, self.max_concurrent_execs - 1),
            tenant_ceiling=self.tenant_max_concurrent,
            rate=self.tenant_rate,
            burst=self.tenant_burst,
        )

    def default_image(self, language: Language) -> str:
        return {
            Language.PYTHON: self.default_image_python,
            Language.NODE: self.default_image_node,
            Language.BASH: self.default_image_bash,
        }[language]
