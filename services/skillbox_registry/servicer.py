"""gRPC servicers of the Registry: they convert and delegate."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from google.api.httpbody_pb2 import HttpBody

from skillbox.registry.v1.resolver_service_pb2 import ResolveSkillRequest, ResolveSkillResponse
from skillbox.registry.v1.resolver_service_pb2_grpc import ResolverServiceServicer
from skillbox.registry.v1.skill_pb2 import Skill
from skillbox.registry.v1.skill_rest_pb2 import (
    DownloadSkillRestRequest,
    GetSkillFileRestRequest,
    ListSkillsRestRequest,
)
from skillbox.registry.v1.skill_rest_pb2_grpc import SkillRestServiceServicer
from skillbox.registry.v1.skill_service_pb2 import (
    DeleteSkillRequest,
    DeleteSkillResponse,
    DownloadSkillRequest,
    DownloadSkillResponse,
    GetSkillFileRequest,
    GetSkillFileResponse,
    GetSkillRequest,
    ListSkillFilesRequest,
    ListSkillFilesResponse,
    ListSkillsRequest,
    ListSkillsResponse,
    ListSkillVersionsRequest,
    ListSkillVersionsResponse,
    UploadSkillRequest,
    UploadSkillResponse,
)
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceServicer
from skillbox_common.idempotency import idempotency_key
from skillbox_common.principal import current_principal
from skillbox_common.rest import json_body, set_http_status
from skillbox_registry.commands.delete_skill import delete_skill
from skillbox_registry.commands.download_skill import download_skill
from skillbox_registry.commands.get_skill import get_skill
from skillbox_registry.commands.list_skill_versions import list_skill_versions
from skillbox_registry.commands.list_skills import list_all_skills, list_skills
from skillbox_registry.commands.prepare_dependencies import PrepareDependencies
from skillbox_registry.commands.skill_files import SkillFiles
from skillbox_registry.commands.upload_skill import UploadSkill
from skillbox_registry.convert import (
    first_of,
    to_file,
    to_resolved,
    to_rest,
    to_skill,
    to_summary,
    to_versions,
)
from skillbox_registry.store.interface import ArchiveStore, SkillReader, SkillStore
from skillbox_registry.upload_body import BareBody, Expected, body_of_type

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
Context = grpc.aio.ServicerContext[Any, Any]


class SkillServicer(SkillServiceServicer):
    def __init__(
        self,
        upload: UploadSkill,
        skills: SkillStore,
        archives: ArchiveStore,
        dependencies: PrepareDependencies,
    ) -> None:
        self._upload = upload
        self._dependencies = dependencies
        self._skills = skills
        self._archives = archives
        self._files = SkillFiles(skills, archives)

    async def UploadSkill(
        self, request_iterator: AsyncIterator[UploadSkillRequest], context: Context
    ) -> UploadSkillResponse:
        first, requests = await first_of(request_iterator, UploadSkillRequest())
        uploaded = await self._upload(
            current_principal().tenant_id,
            (request.chunk async for request in requests),
            BareBody(Expected(first.expected_name, first.expected_version)),
            idempotency_key(context),
        )
        pending = self._dependencies.start(current_principal(), uploaded.skill)
        return UploadSkillResponse(
            skill=to_skill(uploaded.skill, pending), warnings=uploaded.warnings
        )

    async def ListSkills(self, request: ListSkillsRequest, context: Context) -> ListSkillsResponse:
        skills, next_page_token = await list_skills(
            self._skills,
            current_principal().tenant_id,
            name=request.name,
            size=request.page_size,
            token=request.page_token,
        )
        return ListSkillsResponse(skills=map(to_summary, skills), next_page_token=next_page_token)

    async def ListSkillVersions(
        self, request: ListSkillVersionsRequest, context: Context
    ) -> ListSkillVersionsResponse:
        page = await list_skill_versions(
            self._skills,
            current_principal().tenant_id,
            request.name,
            size=request.page_size,
            token=request.page_token,
        )
        return to_versions(request.name, page)

    async def GetSkill(self, request: GetSkillRequest, context: Context) -> Skill:
        principal = current_principal()
        stored = await get_skill(self._skills, principal.tenant_id, request.name, request.version)
        return to_skill(stored, await self._dependencies.show(principal, stored))

    async def DeleteSkill(
        self, request: DeleteSkillRequest, context: Context
    ) -> DeleteSkillResponse:
        tenant_id = current_principal().tenant_id
        await delete_skill(self._skills, tenant_id, request.name, request.version)
        await set_http_status(context, 204)
        return DeleteSkillResponse()

    async def ListSkillFiles(
        self, request: ListSkillFilesRequest, context: Context
    ) -> ListSkillFilesResponse:
        tenant_id = current_principal().tenant_id
        files = await self._files.list(tenant_id, request.name, request.version)
        return ListSkillFilesResponse(files=map(to_file, files))

    async def GetSkillFile(
        self, request: GetSkillFileRequest, context: Context
    ) -> AsyncIterator[GetSkillFileResponse]:
        tenant_id = current_principal().tenant_id
        async with self._files.open(tenant_id, request.name, request.version, request.path) as file:
            async for chunk in file.chunks():
                yield GetSkillFileResponse(chunk=chunk)

    async def DownloadSkill(
        self, request: DownloadSkillRequest, context: Context
    ) -> AsyncIterator[DownloadSkillResponse]:
        tenant_id = current_principal().tenant_id
        async for chunk in download_skill(
            self._skills, self._archives, tenant_id, request.name, request.version
        ):
            yield DownloadSkillResponse(chunk=chunk)


class SkillRestServicer(SkillRestServiceServicer):
    def __init__(
        self,
        upload: UploadSkill,
        skills: SkillReader,
        archives: ArchiveStore,
        dependencies: PrepareDependencies,
    ) -> None:
        self._upload = upload
        self._dependencies = dependencies
        self._skills = skills
        self._archives = archives
        self._files = SkillFiles(skills, archives)

    async def UploadSkillRest(
        self, request_iterator: AsyncIterator[HttpBody], context: Context
    ) -> HttpBody:
        first, pieces = await first_of(request_iterator, HttpBody())
        uploaded = await self._upload(
            current_principal().tenant_id,
            (piece.data async for piece in pieces),
            body_of_type(first.content_type),
            idempotency_key(context),
        )
        self._dependencies.start(current_principal(), uploaded.skill)
        await set_http_status(context, 201)
        return json_body(to_rest(uploaded.skill.spec))

    async def ListSkillsRest(self, request: ListSkillsRestRequest, context: Context) -> HttpBody:
        skills = await list_all_skills(self._skills, current_principal().tenant_id)
        return json_body([to_rest(skill) for skill in skills])

    async def GetSkillFileRest(
        self, request: GetSkillFileRestRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        tenant_id = current_principal().tenant_id
        async with self._files.open(tenant_id, request.name, request.version, request.path) as file:
            content_type = _TEXT if await file.is_text() else _BYTES
            async for chunk in file.chunks():
                yield HttpBody(content_type=content_type, data=chunk)

    async def DownloadSkillRest(
        self, request: DownloadSkillRestRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        tenant_id = current_principal().tenant_id
        async for chunk in download_skill(
            self._skills, self._archives, tenant_id, request.name, request.version
        ):
            yield HttpBody(content_type="application/zip", data=chunk)


class ResolverServicer(ResolverServiceServicer):
    def __init__(self, skills: SkillReader) -> None:
        self._skills = skills

    async def ResolveSkill(
        self, request: ResolveSkillRequest, context: Context
    ) -> ResolveSkillResponse:
        tenant_id = current_principal().tenant_id
        return to_resolved(await get_skill(self._skills, tenant_id, request.name, request.version))
