"""Between the messages of `skillbox.registry.v1` and the domain."""

import json
from collections.abc import AsyncIterator
from typing import TypeVar

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from skillbox.registry.v1 import skill_pb2, skill_service_pb2
from skillbox.registry.v1.resolver_service_pb2 import ResolveSkillResponse
from skillbox.registry.v1.skill_service_pb2 import ListSkillVersionsResponse
from skillbox_registry.commands.list_skill_versions import VersionPage
from skillbox_registry.skill import Dependencies, SkillFile, SkillSpec, SkillSummary, StoredSkill

Message = TypeVar("Message")


def to_skill(stored: StoredSkill, dependencies: Dependencies | None = None) -> skill_pb2.Skill:
    spec = stored.spec
    return skill_pb2.Skill(
        name=spec.name,
        version=spec.version,
        description=spec.description,
        lang=spec.lang,
        image=spec.image,
        runtime=spec.runtime,
        instructions=spec.instructions,
        timeout=spec.timeout,
        resources=skill_pb2.Resources(cpu=spec.cpu, memory=spec.memory),
        mode=spec.mode,
        entrypoint=spec.entrypoint,
        digest=stored.digest,
        size_bytes=stored.size_bytes,
        input_schema=_to_struct(spec.input_schema),
        output_schema=_to_struct(spec.output_schema),
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        dependencies=_to_dependencies(dependencies),
    )


def to_summary(summary: SkillSummary) -> skill_pb2.SkillSummary:
    return skill_pb2.SkillSummary(
        name=summary.name,
        version=summary.version,
        description=summary.description,
        lang=summary.lang,
    )


def to_versions(name: str, page: VersionPage) -> ListSkillVersionsResponse:
    return ListSkillVersionsResponse(
        name=name,
        latest=page.latest,
        versions=map(to_summary, page.versions),
        next_page_token=page.next_page_token,
    )


def to_file(file: SkillFile) -> skill_service_pb2.SkillFile:
    return skill_service_pb2.SkillFile(
        path=file.path, size_bytes=file.size_bytes, executable=file.executable
    )


def to_resolved(stored: StoredSkill) -> ResolveSkillResponse:
    return ResolveSkillResponse(
        skill=to_skill(stored),
        archive_key=stored.archive_key,
        root=stored.spec.root,
        input_schema_json=stored.spec.input_schema,
        output_schema_json=stored.spec.output_schema,
    )


def to_rest(skill: SkillSpec | SkillSummary) -> dict[str, str]:
    """Returns what the documented REST replies show of a version."""
    return {
        "name": skill.name,
        "version": skill.version,
        "description": skill.description,
        "lang": skill.lang,
    }


async def first_of(
    messages: AsyncIterator[Message], empty: Message
) -> tuple[Message, AsyncIterator[Message]]:
    """Looks at the first message of a stream.

    Returns:
        It, or `empty` when the stream is, and the whole stream.
    """
    iterator = aiter(messages)
    first = await anext(iterator, empty)

    async def whole() -> AsyncIterator[Message]:
        yield first
        async for message in iterator:
            yield message

    return first, whole()


def _to_dependencies(found: Dependencies | None) -> skill_pb2.Dependencies | None:
    return skill_pb2.Dependencies(status=found.status, error=found.error) if found else None


def _to_struct(schema: str) -> Struct | None:
    return json_format.ParseDict(json.loads(schema), Struct()) if schema else None
