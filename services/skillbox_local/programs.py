"""What the stack is made of, beside Postgres: object store, services, gateway."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pydantic

from skillbox_gateway.config import GatewaySettings
from skillbox_gateway.run import command as gateway_command
from skillbox_local import ports
from skillbox_local.data_dir import DataDir
from skillbox_local.errors import LocalError
from skillbox_local.ports import Address
from skillbox_local.process import Program

EXECUTOR = "executor"
DOCKER_HOST = "SKILLBOX_DOCKER_HOST"
BUNDLE_DIR = "SKILLBOX_BUNDLE_DIR"
DEPENDENCY_DIR = "SKILLBOX_DEPENDENCY_DIR"
# A run in flight gets this long to end by itself when the stack stops.
_GRACE_S = 3


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen, on the loopback; services once for each replica.

    Attributes:
        engine: Where each Executor finds its socket proxy.
        builder: The same for boxes that install packages.
    """

    s3: str
    auth: Sequence[str]
    registry: Sequence[str]
    executor: Sequence[str]
    engine: Sequence[str]
    builder: Sequence[str] = ()

    @classmethod
    @contextmanager
    def take(cls, replicas: int) -> Iterator["Addresses"]:
        """Takes free ports, others at each start."""
        with ports.take(1 + 5 * replicas) as taken:
            s3, *services = (f"127.0.0.1:{port}" for port in taken)
            yield cls(s3, *(services[first::5] for first in range(5)))


def base_env() -> dict[str, str]:
    """Returns the user's environment without settings of Skillbox, rclone and Docker.

    Calls between the parts never go through a proxy.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SKILLBOX_", "RCLONE_", "DOCKER_"))
    }
    direct = ",".join(filter(None, [env.get("no_proxy", env.get("NO_PROXY")), "127.0.0.1"]))
    return {**env, "no_proxy": direct, "NO_PROXY": direct}


def s3(data: DataDir, addresses: Addresses) -> Program:
    access, secret = _s3_keys(data)
    return Program(
        "s3",
        [
            Path(sys.executable).with_name("rclone"),
            *("serve", "s3", "--addr", addresses.s3, "--config=", "--log-level", "NOTICE"),
            data.s3,
        ],
        # The variable holds a list in CSV.
        {**base_env(), "RCLONE_AUTH_KEY": json.dumps(f"{access},{secret}")},
    )


def gateway(data: DataDir, addresses: Addresses, listen: Address) -> Program:
    """Returns Envoy with a configuration for these addresses.

    Raises:
        LocalError: A variable of the gateway is not valid.
    """
    try:
        settings = GatewaySettings(
            api_host=listen.host,
            api_port=listen.port,
            auth_address=",".join(addresses.auth),
            registry_address=",".join(addresses.registry),
            executor_address=",".join(addresses.executor),
            files_address=addresses.s3,
        )
    except pydantic.ValidationError as error:
        raise not_valid("the gateway", error) from error
    return Program("gateway", gateway_command(settings, data.envoy_config), base_env())


def services(
    data: DataDir, addresses: Addresses, dsn: str, sandbox: Sequence[Mapping[str, str]]
) -> list[Program]:
    """Returns the three services, configured by their variables alone.

    Args:
        sandbox: Settings of each Executor.
    """
    access, secret = _s3_keys(data)
    common = {
        **base_env(),
        **_user_settings(),
        "SKILLBOX_DB_DSN": dsn,
        "SKILLBOX_S3_ENDPOINT": addresses.s3,
        "SKILLBOX_S3_PUBLIC_ENDPOINT": "caller",
        "SKILLBOX_S3_ACCESS_KEY": access,
        "SKILLBOX_S3_SECRET_KEY": secret,
        "SKILLBOX_AUTH_ADDRESS": ",".join(addresses.auth),
        "SKILLBOX_REGISTRY_ADDRESS": ",".join(addresses.registry),
        "SKILLBOX_EXECUTOR_ADDRESS": ",".join(addresses.executor),
        **_cache_env(data),
    }
    common.setdefault("SKILLBOX_SHUTDOWN_GRACE", str(_GRACE_S))
    listen = {
        "auth": addresses.auth,
        "registry": addresses.registry,
        EXECUTOR: addresses.executor,
    }
    replicas = [
        (name, number, address)
        for name, addresses in listen.items()
        for number, address in enumerate(addresses, 1)
    ]
    return [
        Program(
            name if len(listen[name]) == 1 else f"{name}-{number}",
            [sys.executable, "-m", f"skillbox_{name}"],
            {
                **common,
                "SKILLBOX_LISTEN": address,
                **_metrics_env(position),
                **_own_env(name, number, data, sandbox),
            },
        )
        for position, (name, number, address) in enumerate(replicas)
    ]


def _metrics_env(position: int) -> dict[str, str]:
    """Returns where a service is scraped: the first at the user's port, each next at the next."""
    host, _, port = os.environ.get("SKILLBOX_METRICS_LISTEN", "").rpartition(":")
    return {"SKILLBOX_METRICS_LISTEN": f"{host}:{int(port) + position}"} if port.isdigit() else {}


def _cache_env(data: DataDir) -> dict[str, str]:
    """Returns the secret of the user's cache, made here unless the user has one."""
    name = "SKILLBOX_CACHE_SECRET"
    if (
        not os.environ.get("SKILLBOX_REDIS_URL")
        or name in os.environ
        or f"{name}_FILE" in os.environ
    ):
        return {}
    return {name: data.secret("cache-secret")}


def not_valid(part: str, error: pydantic.ValidationError) -> LocalError:
    """Returns what is wrong with the settings of a part, without their values."""
    problems = [f"{each['loc'][0]}: {each['msg']}" for each in error.errors()]
    return LocalError(f"{part} cannot be configured: {'; '.join(problems)}")


def _own_env(
    name: str, number: int, data: DataDir, sandbox: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    """Returns the variables that one service has alone."""
    if name == "auth":
        return {"SKILLBOX_BOOTSTRAP_API_KEY_FILE": str(data.api_key)}
    if name == EXECUTOR:
        return {
            "SKILLBOX_EXECUTOR_ID": data.executor_id(number),
            BUNDLE_DIR: os.environ.get(BUNDLE_DIR) or str(data.root / "bundles"),
            DEPENDENCY_DIR: os.environ.get(DEPENDENCY_DIR) or str(data.root / "dependencies"),
            **sandbox[number - 1],
        }
    return {}


def _user_settings() -> dict[str, str]:
    """Returns the user's `SKILLBOX_*` that every service may know.

    Keys are for Auth alone, from a file; the engine is for the Executor alone, behind its proxy.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("SKILLBOX_") and "API_KEY" not in name and name != DOCKER_HOST
    }


def _s3_keys(data: DataDir) -> tuple[str, str]:
    return data.secret("s3-access-key"), data.secret("s3-secret-key")
