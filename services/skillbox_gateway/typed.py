"""Writes Envoy's messages as JSON."""

from typing import Any

Json = dict[str, Any]


def typed(name: str, **fields: Any) -> Json:
    """Returns a message of the type `envoy.<name>` where Envoy takes any type."""
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def extension(name: str, type_name: str, **fields: Any) -> Json:
    """Returns a named extension, such as an HTTP filter."""
    return {"name": f"envoy.{name}", "typed_config": typed(f"extensions.{type_name}", **fields)}


def socket_address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def header(name: str, value: str) -> Json:
    """Returns a header that takes the place of any other of its name."""
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
