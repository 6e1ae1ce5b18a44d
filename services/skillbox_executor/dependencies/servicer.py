"""DependencyService over gRPC: converts and delegates."""

from typing import Any

import grpc.aio

from skillbox.executor.v1.dependency_service_pb2 import (
    PrepareDependenciesRequest,
    PrepareDependenciesResponse,
)
from skillbox.executor.v1.dependency_service_pb2_grpc import DependencyServiceServicer
from skillbox_executor.dependencies.prepare import PrepareDependencies


class DependencyServicer(DependencyServiceServicer):
    def __init__(self, prepare: PrepareDependencies) -> None:
        self._prepare = prepare

    async def PrepareDependencies(
        self,
        request: PrepareDependenciesRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> PrepareDependenciesResponse:
        prepared = await self._prepare(
            request.archive_key, request.root, request.lang, request.image
        )
        return PrepareDependenciesResponse(status=prepared.status, error=prepared.error)
