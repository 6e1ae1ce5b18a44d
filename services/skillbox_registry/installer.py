"""Asks the Executor to install packages."""

from typing import TYPE_CHECKING

import grpc
import grpc.aio

from skillbox.executor.v1.dependency_service_pb2 import PrepareDependenciesRequest
from skillbox.executor.v1.dependency_service_pb2_grpc import DependencyServiceStub
from skillbox_common.errors import DependencyUnavailable
from skillbox_registry.skill import Dependencies, StoredSkill

if TYPE_CHECKING:
    from skillbox.executor.v1.dependency_service_pb2_grpc import DependencyServiceAsyncStub

# Longer than an installation and those that it may wait for.
_DEADLINE_S = 3600.0
# To ask again would change nothing.
_REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


class ExecutorClient:
    """Calls with the token of whoever uploads."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: DependencyServiceAsyncStub = DependencyServiceStub(channel)

    async def install(self, token: str, stored: StoredSkill) -> Dependencies:
        """Returns what became of the packages of a version.

        Raises:
            DependencyUnavailable: The Executor does not answer, or cannot tell.
        """
        spec = stored.spec
        request = PrepareDependenciesRequest(
            archive_key=stored.archive_key, root=spec.root, lang=spec.lang, image=spec.image
        )
        try:
            reply = await self._stub.PrepareDependencies(
                request, metadata=(("authorization", f"Bearer {token}"),), timeout=_DEADLINE_S
            )
        except grpc.aio.AioRpcError as error:
            if error.code() in _REFUSALS:
                return Dependencies("failed", f"the Executor refused: {error.code().name}")
            raise DependencyUnavailable("the Executor does not install packages") from error
        return Dependencies(reply.status, reply.error)
