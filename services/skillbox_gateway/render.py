"""Renders Envoy's whole configuration from the descriptor set and the settings."""

import json

from skillbox_gateway.config import MIB, GatewaySettings
from skillbox_gateway.edge import connection_manager
from skillbox_gateway.typed import Json, extension, socket_address
from skillbox_gateway.upstreams import clusters

_SPANS_SENT_SOON: Json = {
    "layered_runtime": {
        "layers": [
            {
                "name": "skillbox",
                "static_layer": {"tracing.opentelemetry.flush_interval_ms": 1000},
            }
        ]
    }
}


def render(settings: GatewaySettings) -> str:
    """Returns the bootstrap as JSON text; equal settings give equal text."""
    return json.dumps(bootstrap(settings), indent=2)


def bootstrap(settings: GatewaySettings) -> Json:
    admin = {"admin": {"address": socket_address("127.0.0.1", settings.admin_port)}}
    return {
        "node": {"id": "skillbox-gateway", "cluster": "skillbox-gateway"},
        **(admin if settings.admin_port else {}),
        **(_SPANS_SENT_SOON if settings.otlp_address else {}),
        # As the services log.
        "application_log_config": {
            "log_format": {
                "json_format": {
                    "service": "gateway",
                    "level": "%l",
                    "timestamp": "%Y-%m-%dT%T.%f%z",
                    "event": "%j",
                    "logger": "%n",
                }
            }
        },
        "static_resources": {
            "listeners": [_listener(settings)],
            "clusters": clusters(settings),
        },
        "overload_manager": {
            "resource_monitors": [
                extension(
                    "resource_monitors.global_downstream_max_connections",
                    "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=settings.max_connections,
                )
            ]
        },
    }


def _listener(settings: GatewaySettings) -> Json:
    return {
        "name": "api",
        "address": socket_address(settings.api_host, settings.api_port),
        # A port that somebody else holds is an error, not something to share.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": MIB,
        "filter_chains": [{"filters": [connection_manager(settings)]}],
    }
