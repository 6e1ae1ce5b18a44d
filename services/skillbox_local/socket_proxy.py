"""The socket proxy between an Executor of this stack and the Docker Engine."""

import os
import shutil
from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from skillbox_common.config import ConfigurationError
from skillbox_executor import runtimes
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.sandbox.interface import Limits
from skillbox_executor.sandbox.proxy import CONFIG, ProxySettings, render, write
from skillbox_local.data_dir import DataDir
from skillbox_local.errors import LocalError
from skillbox_local.process import Program
from skillbox_local.programs import EXECUTOR, base_env, not_valid

_UNIX = "unix://"
_TCP = "tcp://"
# Distributions put it where only root looks.
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def obstacle(docker_host: str) -> str:
    """Returns why no proxy can stand before this engine; empty when one can."""
    if not docker_host.startswith(_UNIX):
        return (
            f"the engine at {docker_host} is used without a socket proxy of this stack: put one "
            "beside it, see deploy/socket-proxy"
        )
    if not _haproxy():
        return (
            "sandboxes are made without the socket proxy, so the Executor can do anything with "
            "the Docker Engine: install haproxy (2.6 or later) and start again"
        )
    return ""


def socket_proxies(services: Iterable[Program], docker_host: str, data: DataDir) -> list[Program]:
    """Returns a proxy for each Executor, for its boxes alone, and writes their files.

    Args:
        services: An Executor's `SKILLBOX_DOCKER_HOST` is where its proxy listens.
        docker_host: The engine, a unix socket.

    Raises:
        LocalError: The Executor's settings are not valid, or no proxy can be made of them.
    """
    return [
        _socket_proxy(each, docker_host, data)
        for each in services
        if each.name.startswith(EXECUTOR)
    ]


def _socket_proxy(executor: Program, docker_host: str, data: DataDir) -> Program:
    name = executor.name.replace(EXECUTOR, "socket-proxy")
    folder = data.root / name
    try:
        settings = _settings(executor.env)
        rules = ProxySettings(
            engine_socket=docker_host.removeprefix(_UNIX),
            listen=settings.docker_host.removeprefix(_TCP),
            owner=settings.executor_id,
            images=settings.image_allowlist,
            runtimes=runtimes.possible(settings),
            most=Limits(memory_bytes=settings.max_memory, cpus=settings.max_cpu),
            longest_run_s=settings.max_timeout,
            builder_listen=settings.builder_docker_host.removeprefix(_TCP),
            builder_memory=settings.builder_memory,
        )
        write(render(rules), folder)
    except ValidationError as error:
        raise not_valid("the Executor", error) from error
    except (ConfigurationError, ValueError, OSError) as error:
        raise LocalError(f"the socket proxy cannot be configured: {error}") from error
    # Without -dR a second one could listen on the same port, and each would get some calls.
    return Program(name, [_haproxy(), "-dR", "-db", "-f", folder / CONFIG], base_env())


def _settings(env: Mapping[str, str]) -> ExecutorSettings:
    """Returns the settings that the Executor will read from its environment."""
    names = {f"SKILLBOX_{name.upper()}": name for name in ExecutorSettings.model_fields}
    values = {names[name]: value for name, value in env.items() if name in names and value}
    return ExecutorSettings.model_validate(values)


def _haproxy() -> str:
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PATH}") or ""
