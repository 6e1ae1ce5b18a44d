"""What the Executor needs to know of a skill, and the client that asks the Registry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import grpc
import grpc.aio

from skillbox.registry.v1.resolver_service_pb2 import ResolveSkillRequest
from skillbox.registry.v1.resolver_service_pb2_grpc import ResolverServiceStub
from skillbox_common.errors import DependencyUnavailable, InternalError, SkillNotFound
from skillbox_common.principal import Principal

if TYPE_CHECKING:
    from skillbox.registry.v1.resolver_service_pb2_grpc import ResolverServiceAsyncStub

_DEADLINE_S = 5.0


@dataclass(frozen=True)
class Skill:
    """One version of a skill, resolved.

    Attributes:
        image, runtime, timeout, memory, cpu: As in the front matter; empty for the server's own.
        entrypoint: Empty for a skill of instructions only.
        archive_key: Key of its zip in the bucket of skills.
        root: Folder inside the zip that holds SKILL.md.
    """

    tenant_id: str
    name: str
    version: str
    image: str
    runtime: str
    timeout: str
    memory: str
    cpu: str
    entrypoint: str
    instructions: str
    archive_key: str
    root: str
    input_schema: str
    output_schema: str


class SkillResolver(Protocol):
    async def resolve(self, principal: Principal, name: str, version: str) -> Skill:
        """Resolves a version of one of the principal's tenant's skills.

        Raises:
            SkillNotFound: The text is `skill not found: NAME@VERSION`.
            DependencyUnavailable: The Registry does not answer.
        """
        ...


class RegistryClient:
    """Resolves skills through the Registry, with the caller's own token."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: ResolverServiceAsyncStub = ResolverServiceStub(channel)

    async def resolve(self, principal: Principal, name: str, version: str) -> Skill:
        try:
            reply = await self._stub.ResolveSkill(
                ResolveSkillRequest(name=name, version=version),
                metadata=(("authorization", f"Bearer {principal.token}"),),
                timeout=_DEADLINE_S,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                raise SkillNotFound(
                    error.details() or f"skill not found: {name}@{version}"
                ) from None
            if error.code() in (
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED,
                grpc.StatusCode.CANCELLED,
            ):
                raise DependencyUnavailable("the Registry does not answer") from error
            raise InternalError() from error
        skill = reply.skill
        return Skill(
            tenant_id=principal.tenant_id,
            name=skill.name,
            version=skill.version,
            image=skill.image,
            runtime=skill.runtime,
            timeout=skill.timeout,
            memory=skill.resources.memory,
            cpu=skill.resources.cpu,
            entrypoint=skill.entrypoint,
            instructions=skill.instructions,
            archive_key=reply.archive_key,
            root=reply.root,
            input_schema=reply.input_schema_json,
            output_schema=reply.output_schema_json,
        )
