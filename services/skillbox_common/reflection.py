"""Server reflection that finds methods too."""

from typing import Any

import grpc.aio
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_reflection.v1alpha import reflection


class _Pool:
    """The default pool, in which Python's implementation finds every symbol but methods.

    `grpcurl describe package.Service.Method` asks for one.
    """

    def __init__(self) -> None:
        self._pool = descriptor_pool.Default()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._pool.FindServiceByName(service)
            if method not in found.methods_by_name:
                raise
            return found.file


def enable_reflection(services: tuple[str, ...], server: grpc.aio.Server) -> None:
    """Lets clients such as grpcurl list and describe `services`."""
    reflection.enable_server_reflection(
        (*services, reflection.SERVICE_NAME),
        server,
        pool=_Pool(),  # type: ignore[arg-type] # behaves like a pool, and cannot be a subclass
    )
