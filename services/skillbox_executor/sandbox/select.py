"""Makes the driver that the operator named. There is no fall-back to a weaker one."""

from skillbox_executor import runtimes
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.sandbox.bubblewrap import BubblewrapDriver
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.interface import Driver


def create_driver(settings: ExecutorSettings) -> Driver:
    """Returns the driver for `SKILLBOX_SANDBOX`."""
    if settings.sandbox == "docker":
        return DockerDriver(
            settings.docker_host,
            settings.executor_id,
            settings.builder_docker_host,
            runtimes=runtimes.possible(settings),
            allow_missing=settings.allow_missing_controls,
        )
    return BubblewrapDriver(
        settings.executor_id,
        settings.dependency_dir,
        allow_missing=settings.allow_missing_controls,
    )
