"""The clusters of Envoy: one for each service, with all its replicas."""

from skillbox_gateway.config import MIB, GatewaySettings, parse_addresses
from skillbox_gateway.typed import Json, socket_address, typed

_HTTP_OPTIONS = "extensions.upstreams.http.v3.HttpProtocolOptions"


def clusters(settings: GatewaySettings) -> list[Json]:
    return [
        _cluster("auth", settings.auth_address),
        _cluster("registry", settings.registry_address),
        _cluster("executor", settings.executor_address),
        *([_upstream("files", settings.files_address)] if settings.files_address else []),
        *([_otlp(settings.otlp_address)] if settings.otlp_address else []),
    ]


def _cluster(name: str, addresses: str) -> Json:
    return {
        **_upstream(name, addresses),
        "typed_extension_protocol_options": {
            f"envoy.{_HTTP_OPTIONS}": typed(
                _HTTP_OPTIONS,
                explicit_http_config={
                    "http2_protocol_options": {
                        # Finds a peer that vanished without a word.
                        "connection_keepalive": {"interval": "30s", "timeout": "10s"},
                        "initial_stream_window_size": MIB,
                        "initial_connection_window_size": 16 * MIB,
                    }
                },
            )
        },
        # The services bound what they take; Envoy must not refuse a long poll before they do.
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 100_000,
                    "max_pending_requests": 100_000,
                    "max_requests": 100_000,
                    "max_retries": 100,
                }
            ]
        },
        # Takes a replica out while it drains or starts. When all look ill, all are tried. (By
        # default half are enough for that, and the dead have the fewest calls in flight.)
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "health_checks": [
            {
                "grpc_health_check": {},
                "interval": "2s",
                "no_traffic_interval": "5s",
                "timeout": "2s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
            }
        ],
    }


def _otlp(addresses: str) -> Json:
    options = typed(_HTTP_OPTIONS, explicit_http_config={"http2_protocol_options": {}})
    return {
        **_upstream("otlp", addresses),
        "typed_extension_protocol_options": {f"envoy.{_HTTP_OPTIONS}": options},
    }


def _upstream(name: str, addresses: str) -> Json:
    replicas = parse_addresses(addresses)
    return {
        "name": name,
        "type": "STATIC" if all(replica.is_ip for replica in replicas) else "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "lb_policy": "LEAST_REQUEST",
        "connect_timeout": "2s",
        "per_connection_buffer_limit_bytes": MIB,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": {"address": socket_address(*replica)}} for replica in replicas
                    ]
                }
            ],
        },
    }
