"""Small services behind the gateway: each shows what a reply can look like."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import msgspec
from google.api.httpbody_pb2 import HttpBody

from skillbox.auth.v1 import api_key_service_pb2 as keys
from skillbox.auth.v1 import api_key_service_pb2_grpc as keys_grpc
from skillbox.auth.v1 import fallback_rest_pb2_grpc as fallback_grpc
from skillbox.auth.v1.api_key_pb2 import ApiKey
from skillbox.executor.v1 import execution_rest_pb2_grpc as executions_grpc
from skillbox.executor.v1 import readiness_service_pb2 as readiness
from skillbox.executor.v1 import readiness_service_pb2_grpc as readiness_grpc
from skillbox.registry.v1 import skill_pb2, skill_rest_pb2_grpc, skill_service_pb2_grpc
from skillbox.registry.v1 import skill_service_pb2 as skills
from skillbox_common.errors import CapacityExhausted, ExecutionNotFound, PathNotFound, SkillNotFound
from skillbox_common.rest import json_body, set_http_status

Context = grpc.aio.ServicerContext[Any, Any]
TEXT = "text/plain; charset=utf-8"


class Keys(keys_grpc.ApiKeyServiceServicer):
    async def CreateApiKey(
        self, request: keys.CreateApiKeyRequest, context: Context
    ) -> keys.CreateApiKeyResponse:
        await set_http_status(context, 201)
        return keys.CreateApiKeyResponse(
            api_key=ApiKey(name=request.name, scopes=request.scopes), secret="sk-1"
        )

    async def ListApiKeys(
        self, request: keys.ListApiKeysRequest, context: Context
    ) -> keys.ListApiKeysResponse:
        return keys.ListApiKeysResponse(next_page_token=str(request.page_size))


class Fallback(fallback_grpc.FallbackRestServiceServicer):
    async def UnknownPathRest(self, request: Any, context: Context) -> HttpBody:
        raise PathNotFound("no such method and path")


class Skills(skill_service_pb2_grpc.SkillServiceServicer):
    async def GetSkill(self, request: skills.GetSkillRequest, context: Context) -> skill_pb2.Skill:
        """Replies in the way that the name asks for."""
        match request.name:
            case "missing":
                raise SkillNotFound(f'skill not found: "{request.version}" über\n\\')
            case "busy":
                raise CapacityExhausted("busy", retry_after=7)
            case "busy-after-headers":
                await set_http_status(context, 201)
                raise CapacityExhausted("busy", retry_after=7)
            case "bug":
                raise RuntimeError("internal text")
            case "uncatalogued":
                await context.abort(grpc.StatusCode[request.version], "internal text")
            case "uncatalogued-after-headers":
                await set_http_status(context, 201)
                await context.abort(grpc.StatusCode[request.version], "internal text")
            case "metadata":
                seen = {key: str(value) for key, value in context.invocation_metadata() or ()}
                return skill_pb2.Skill(instructions=msgspec.json.encode(seen).decode())
        return skill_pb2.Skill(
            name=request.name,
            version=request.version,
            resources=skill_pb2.Resources(),
            size_bytes=3,
        )

    async def DeleteSkill(
        self, request: skills.DeleteSkillRequest, context: Context
    ) -> skills.DeleteSkillResponse:
        await set_http_status(context, 204)
        return skills.DeleteSkillResponse()


class SkillsRest(skill_rest_pb2_grpc.SkillRestServiceServicer):
    """Attributes:
    received: Bytes of the upload that runs, or ran last.
    """

    def __init__(self) -> None:
        self.received = 0

    async def UploadSkillRest(
        self, request_iterator: AsyncIterator[HttpBody], context: Context
    ) -> HttpBody:
        self.received = 0
        content_type, largest = "", 0
        async for part in request_iterator:
            content_type = content_type or part.content_type
            self.received += len(part.data)
            largest = max(largest, len(part.data))
        await set_http_status(context, 201)
        return json_body({"type": content_type, "size": self.received, "largest": largest})

    async def ListSkillsRest(self, request: Any, context: Context) -> HttpBody:
        return json_body([])

    async def DownloadSkillRest(self, request: Any, context: Context) -> AsyncIterator[HttpBody]:
        for number in range(64):
            yield HttpBody(content_type="application/zip", data=bytes([number]) * 256 * 1024)


class Executions(executions_grpc.ExecutionRestServiceServicer):
    """Attributes:
    go_on: Lets one stream that waits go on.
    cancelled: Set when a stream was cancelled.
    """

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def RunSkillRest(self, request: HttpBody, context: Context) -> HttpBody:
        return HttpBody(content_type="application/json", data=request.data)

    async def GetExecutionRest(self, request: Any, context: Context) -> HttpBody:
        return HttpBody(content_type="application/json", data=bytes(int(request.id)))

    async def ListExecutionsRest(self, request: Any, context: Context) -> HttpBody:
        return json_body({"page_size": request.page_size, "skill": request.skill})

    async def CancelExecutionRest(self, request: Any, context: Context) -> HttpBody:
        return json_body({"id": request.id})

    async def GetExecutionLogsRest(self, request: Any, context: Context) -> AsyncIterator[HttpBody]:
        if request.id == "missing":
            raise ExecutionNotFound("execution not found")
        if request.id == "silent":
            yield HttpBody(content_type=TEXT)
            return
        try:
            yield HttpBody(content_type=TEXT, data=b"one\n")
            if request.follow:
                await self.go_on.wait()
                self.go_on.clear()
            yield HttpBody(data=b"two\n")
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def WatchExecutionRest(self, request: Any, context: Context) -> AsyncIterator[HttpBody]:
        seen = dict(context.invocation_metadata() or ()).get("last-event-id", "none")
        yield HttpBody(content_type="text/event-stream", data=f"id: {seen!s}\n\n".encode())
        await self.go_on.wait()
        self.go_on.clear()
        yield HttpBody(data=b"event: finished\n\n")


class Readiness(readiness_grpc.ReadinessServiceServicer):
    def __init__(self) -> None:
        self.ready = True

    async def GetReadiness(
        self, request: readiness.GetReadinessRequest, context: Context
    ) -> readiness.GetReadinessResponse:
        if self.ready:
            return readiness.GetReadinessResponse(status="ready", checks={"postgres": "ok"})
        await set_http_status(context, 503)
        return readiness.GetReadinessResponse(status="not_ready", checks={"postgres": "timeout"})
