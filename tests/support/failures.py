"""What a failed RPC told its caller."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import cast

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status


@dataclass(frozen=True)
class Failure:
    """A failed RPC; `reason` is that of the `ErrorInfo` sent along."""

    code: grpc.StatusCode
    reason: str
    message: str


async def failure(call: Awaitable[object]) -> Failure:
    """Awaits a call that has to fail."""
    try:
        reply = await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error)
    raise AssertionError(f"the call did not fail: {reply}")


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Reads what the error of a call says."""
    # Its published type is that of the synchronous API.
    metadata = cast("grpc.aio.Metadata", error.trailing_metadata())
    status = Status.FromString(metadata.get("grpc-status-details-bin", b""))
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return Failure(error.code(), info.reason, error.details() or "")
    return Failure(error.code(), "", error.details() or "")
