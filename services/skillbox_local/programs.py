"""What the stack is made of, beside Postgres: object store, services, gateway."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
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

# A run in flight gets this long to end by itself when the stack stops.
_GRACE_S = 3


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen, on the loopback."""

    s3: str
    auth: str
    registry: str
    executor: str

    @classmethod
    @contextmanager
    def take(cls) -> Iterator["Addresses"]:
        """Takes free ports, others at each start."""
        with ports.take(4) as taken:
            yield cls(*(f"127.0.0.1:{port}" for port in taken))


def base_env() -> dict[str, str]:
    """Returns the user's environment without settings of Skillbox and rclone.

    Calls between the parts never go through a proxy.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SKILLBOX_", "RCLONE_"))
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
            auth_address=addresses.auth,
            registry_address=addresses.registry,
            executor_address=addresses.executor,
            files_address=addresses.s3,
        )
    except pydantic.ValidationError as error:
        problems = [f"{each['loc'][0]}: {each['msg']}" for each in error.errors()]
        raise LocalError(f"the gateway cannot be configured: {'; '.join(problems)}") from error
    return Program("gateway", gateway_command(settings, data.envoy_config), base_env())


def services(
    data: DataDir, addresses: Addresses, dsn: str, sandbox: Mapping[str, str]
) -> list[Program]:
    """Returns the three services, configured by their variables alone."""
    access, secret = _s3_keys(data)
    common = {
        **base_env(),
        **_user_settings(),
        "SKILLBOX_DB_DSN": dsn,
        "SKILLBOX_S3_ENDPOINT": addresses.s3,
        "SKILLBOX_S3_PUBLIC_ENDPOINT": "caller",
        "SKILLBOX_S3_ACCESS_KEY": access,
        "SKILLBOX_S3_SECRET_KEY": secret,
        "SKILLBOX_AUTH_ADDRESS": addresses.auth,
        "SKILLBOX_REGISTRY_ADDRESS": addresses.registry,
    }
    common.setdefault("SKILLBOX_SHUTDOWN_GRACE", str(_GRACE_S))
    own = {
        "auth": {
            "SKILLBOX_LISTEN": addresses.auth,
            "SKILLBOX_BOOTSTRAP_API_KEY_FILE": str(data.api_key),
        },
        "registry": {"SKILLBOX_LISTEN": addresses.registry},
        "executor": {
            "SKILLBOX_LISTEN": addresses.executor,
            "SKILLBOX_EXECUTOR_ID": data.executor_id(),
            **sandbox,
        },
    }
    return [
        Program(name, [sys.executable, "-m", f"skillbox_{name}"], {**common, **env})
        for name, env in own.items()
    ]


def _user_settings() -> dict[str, str]:
    """Returns the user's `SKILLBOX_*`, without the keys, which only Auth gets, from a file."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("SKILLBOX_") and "API_KEY" not in name
    }


def _s3_keys(data: DataDir) -> tuple[str, str]:
    return data.secret("s3-access-key"), data.secret("s3-secret-key")
