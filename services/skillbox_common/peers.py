"""Channels from one service to another."""

import json
from typing import Any

import grpc.aio

from skillbox_common.telemetry.rpc import TracingClientInterceptor

# The defaults wait up to two minutes before they try a peer again that was away.
_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Finds a peer that vanished without a word.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5000),
    ("grpc.enable_http_proxy", 0),
    (
        "grpc.service_config",
        json.dumps(
            {
                "loadBalancingConfig": [{"round_robin": {}}],
                "methodConfig": [
                    {
                        "name": [{}],
                        "retryPolicy": {
                            "maxAttempts": 4,
                            "initialBackoff": "0.05s",
                            "maxBackoff": "0.5s",
                            "backoffMultiplier": 3,
                            "retryableStatusCodes": ["UNAVAILABLE"],
                        },
                    }
                ],
            }
        ),
    ),
)


def connect(addresses: str) -> grpc.aio.Channel:
    """Opens a channel to all replicas of a service; calls go to those that answer.

    Only for methods that may be repeated: a call that found no replica is tried again.

    Args:
        addresses: `host:port`, where the host may be a name of several replicas, or
            `ip:port,ip:port…`.
    """
    target = f"ipv4:{addresses}" if "," in addresses else addresses
    tracing: Any = TracingClientInterceptor()  # The stubs of gRPC know half of the kinds.
    return grpc.aio.insecure_channel(target, _OPTIONS, interceptors=[tracing])
