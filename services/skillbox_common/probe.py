"""Asks a server for its health; exit code 0 when it serves.

    python -m skillbox_common.probe [HOST:PORT]

The health check of the images. Without an address it asks the server of this machine, on the
port of `SKILLBOX_LISTEN`.
"""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_TIMEOUT_S = 3


def serves(address: str) -> bool:
    """Tells whether the server at `address` says SERVING."""
    # A proxy of the environment is for calls to other machines.
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S
            )
        except grpc.RpcError as error:
            print(f"{address}: {error.code().name}", file=sys.stderr)
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def main() -> None:
    port = os.environ.get("SKILLBOX_LISTEN", "").rpartition(":")[2]
    address = sys.argv[1] if len(sys.argv) > 1 else f"127.0.0.1:{port}"
    sys.exit(0 if serves(address) else 1)


if __name__ == "__main__":
    main()
