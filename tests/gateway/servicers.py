"""Small services behind the gateway: each shows one thing that a reply can look like."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.api.httpbody_pb2 import HttpBody

from skillbox.auth.v1 import api_key_service_pb2 as keys
from skillbox.auth.v1 import api_key_service_pb2_grpc as keys_grpc
from skillbox.auth.v1.api_key_pb2 import ApiKey
from skillbox.executor.v1 import execution_rest_pb2 as executions
from skillbox.executor.v1 import execution_rest_pb2_grpc as executions_grpc
from skillbox.executor.v1 import readiness_service_pb2 as readiness
from skillbox.executor.v1 import readiness_service_pb2_grpc as readiness_grpc
from skillbox.registry.v1 import skill_pb2, skill_rest_pb2_grpc, skill_service_pb2_grpc
from skillbox.registry.v1 import skill_service_pb2 as skills
from skillbox_common.errors import (
    CapacityExhausted,
    DependencyUnavailable,
    InvalidSkill,
    SkillNotFound,
    SkillTooLarge,
    UnsupportedMediaType,
)
from skillbox_common.rest import set_http_status

Context = grpc.aio.ServicerContext[Any, Any]


class Keys(keys_grpc.ApiKeyServiceServicer):
    async def CreateApiKey(
        self, request: keys.CreateApiKeyRequest, context: Context
    ) -> keys.CreateApiKeyResponse:
        await set_http_status(context, 201)
        return keys.CreateApiKeyResponse(
            api_key=ApiKey(id="k", name=request.name, scopes=request.scopes), secret="sk-1"
        )

    async def ListApiKeys(
        self, request: keys.ListApiKeysRequest, context: Context
    ) -> keys.ListApiKeysResponse:
        return keys.ListApiKeysResponse(next_page_token=str(request.page_size))


class Skills(skill_service_pb2_grpc.SkillServiceServicer):
    async def GetSkill(self, request: skills.GetSkillRequest, context: Context) -> skill_pb2.Skill:
        match request.name:
            case "missing":
                raise SkillNotFound(f'skill not found: "{request.name}" – ü\\n@{request.version}')
            case "busy":
                raise CapacityExhausted("busy", retry_after=7)
            case "down":
                raise DependencyUnavailable("the Auth service does not answer")
            case "bug":
                raise RuntimeError("secret detail")
            case "late":
                await set_http_status(context, 201)
                raise CapacityExhausted("late", retry_after=7)
            case "late-abort":
                await set_http_status(context, 201)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "raw detail")
            case "slow":
                await asyncio.sleep(10)
            case "abort":
                await context.abort(grpc.StatusCode[request.version], "raw detail")
        metadata = dict(context.invocation_metadata() or ())
        return skill_pb2.Skill(
            name=request.name,
            version=request.version,
            description=str(metadata.get("x-seen", "")),
            resources=skill_pb2.Resources(),
            instructions=repr(sorted(metadata.items())) if request.name == "metadata" else "",
            size_bytes=3,
        )

    async def DeleteSkill(
        self, request: skills.DeleteSkillRequest, context: Context
    ) -> skills.DeleteSkillResponse:
        await set_http_status(context, 204)
        return skills.DeleteSkillResponse()


class SkillsRest(skill_rest_pb2_grpc.SkillRestServiceServicer):
    def __init__(self) -> None:
        self.largest_chunk = 0
        self.received = 0
        self.uploads = 0

    async def UploadSkillRest(
        self, request_iterator: AsyncIterator[HttpBody], context: Context
    ) -> HttpBody:
        self.uploads += 1
        self.received = self.largest_chunk = 0
        content_type = ""
        async for part in request_iterator:
            content_type = content_type or part.content_type
            self.received += len(part.data)
            self.largest_chunk = max(self.largest_chunk, len(part.data))
            if self.received > 60 * 1024 * 1024:
                raise SkillTooLarge("too large")
        if content_type == "text/plain":
            raise UnsupportedMediaType("unsupported")
        if self.received == 0:
            raise InvalidSkill(["empty", "very empty"])
        await set_http_status(context, 201)
        return HttpBody(
            content_type="application/json",
            data=b'{"content_type":"%s","size":%d}' % (content_type.encode(), self.received),
        )

    async def ListSkillsRest(self, request: Any, context: Context) -> HttpBody:
        return HttpBody(content_type="application/json", data=b"[]")

    async def DownloadSkillRest(self, request: Any, context: Context) -> AsyncIterator[HttpBody]:
        if request.name == "missing":
            raise SkillNotFound("skill not found")
        for _ in range(64):
            yield HttpBody(content_type="application/zip", data=bytes(256 * 1024))


class Executions(executions_grpc.ExecutionRestServiceServicer):
    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.go_on = asyncio.Event()

    async def RunSkillRest(self, request: HttpBody, context: Context) -> HttpBody:
        return HttpBody(content_type="application/json", data=request.data)

    async def GetExecutionRest(self, request: Any, context: Context) -> HttpBody:
        return HttpBody(content_type="application/json", data=b'{"id":"%s"}' % request.id.encode())

    async def ListExecutionsRest(self, request: Any, context: Context) -> HttpBody:
        return HttpBody(content_type="application/json", data=repr(request).encode())

    async def CancelExecutionRest(self, request: Any, context: Context) -> HttpBody:
        return HttpBody(
            content_type="application/json",
            data=b"cancel %s %s" % (request.id.encode(), request.body.data),
        )

    async def GetExecutionLogsRest(self, request: Any, context: Context) -> AsyncIterator[HttpBody]:
        if request.id == "missing":
            raise SkillNotFound("no logs")
        if request.id == "late":
            await context.send_initial_metadata(())
            raise SkillNotFound("late")
        if request.id == "empty":
            return
        try:
            yield HttpBody(content_type="text/plain; charset=utf-8", data=b"one\n")
            if request.follow:
                await self.go_on.wait()
                self.go_on.clear()
            if request.id == "fails":
                raise DependencyUnavailable("gone")
            yield HttpBody(data=b"two\n")
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def WatchExecutionRest(self, request: Any, context: Context) -> AsyncIterator[HttpBody]:
        seen = dict(context.invocation_metadata() or ()).get("last-event-id", "0")
        yield HttpBody(content_type="text/event-stream", data=f"id: {seen}\n\n".encode())
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
