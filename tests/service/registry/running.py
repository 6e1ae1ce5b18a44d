"""A Registry in this process, on real Postgres and S3, and callers of it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import grpc.aio
from google.api.httpbody_pb2 import HttpBody
from pydantic import SecretStr

from skillbox.registry.v1.resolver_service_pb2_grpc import ResolverServiceStub
from skillbox.registry.v1.skill_rest_pb2_grpc import SkillRestServiceStub
from skillbox.registry.v1.skill_service_pb2 import (
    DownloadSkillRequest,
    UploadSkillRequest,
    UploadSkillResponse,
)
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub
from skillbox_common import db, object_store
from skillbox_common.interceptors import build_chain
from skillbox_common.object_store import ObjectStore
from skillbox_common.principal import Principal, Scope
from skillbox_common.server import create_server
from skillbox_registry.access import ACCESS
from skillbox_registry.commands.prepare_dependencies import PrepareDependencies
from skillbox_registry.config import Settings
from skillbox_registry.main import SCHEMA, add_servicers
from skillbox_registry.skill import Dependencies, StoredSkill
from skillbox_registry.store.archives import PostgresArchives
from skillbox_registry.store.dependencies import PostgresDependencyReports
from skillbox_registry.store.postgres import PostgresSkillStore
from skillbox_registry.store.upload_keys import PostgresUploadKeys
from tests.support import parts

if TYPE_CHECKING:
    from skillbox.registry.v1.resolver_service_pb2_grpc import ResolverServiceAsyncStub
    from skillbox.registry.v1.skill_rest_pb2_grpc import SkillRestServiceAsyncStub
    from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceAsyncStub

BUCKET = "registry-tests"
ALL = (Scope.SKILLS_READ, Scope.SKILLS_WRITE, Scope.EXECUTIONS_RUN)


class Keys:
    """Stands for Auth: a token is a tenant and its scopes, `TENANT SCOPE …`, in hexadecimal."""

    async def introspect(self, token: str) -> Principal | None:
        try:
            tenant, *scopes = bytes.fromhex(token).decode().split()
        except ValueError:
            return None
        return Principal(key_id="key", tenant_id=tenant, scopes=frozenset(scopes), token=token)


class Installer:
    """Stands for the Executor: installs when a test lets it.

    Attributes:
        result: What comes of it; an error is raised.
        asked: Tokens and versions that came, in order.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.result: Dependencies | Exception = Dependencies("ready")
        self.asked: list[tuple[str, StoredSkill]] = []

    async def install(self, token: str, stored: StoredSkill) -> Dependencies:
        self.asked.append((token, stored))
        await self.go.wait()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@dataclass(frozen=True)
class Reply:
    """What a REST caller would see."""

    status: int
    body: Any


@dataclass(frozen=True)
class Caller:
    """Somebody with a key; a new one is of a new tenant.

    Attributes:
        repeats: Idempotency key of every call; empty for none.
    """

    channel: grpc.aio.Channel
    tenant: str = field(default_factory=lambda: uuid.uuid4().hex)
    scopes: Sequence[str] = ALL
    repeats: str = ""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        token = " ".join([self.tenant, *self.scopes]).encode().hex()
        key = (("idempotency-key", self.repeats),) if self.repeats else ()
        return (("authorization", f"Bearer {token}"), *key)

    @property
    def skills(self) -> "SkillServiceAsyncStub":
        return SkillServiceStub(self.channel)

    @property
    def rest(self) -> "SkillRestServiceAsyncStub":
        return SkillRestServiceStub(self.channel)

    @property
    def resolver(self) -> "ResolverServiceAsyncStub":
        return ResolverServiceStub(self.channel)

    async def upload(
        self, content: bytes, *, step: int = 256 * 1024, name: str = "", version: str = ""
    ) -> UploadSkillResponse:
        messages = [
            UploadSkillRequest(chunk=content[start : start + step])
            for start in range(0, len(content), step)
        ] or [UploadSkillRequest()]
        messages[0].expected_name = name
        messages[0].expected_version = version
        return await self.skills.UploadSkill(iter(messages), metadata=self.metadata)

    async def download(self, name: str, version: str = "") -> bytes:
        request = DownloadSkillRequest(name=name, version=version)
        stream = self.skills.DownloadSkill(request, metadata=self.metadata)
        return b"".join([reply.chunk async for reply in stream])

    async def post(self, chunks: Iterable[bytes], content_type: str = "application/zip") -> Reply:
        """Uploads as the gateway does: the content type comes with the first piece."""
        pieces = [HttpBody(data=chunk) for chunk in chunks] or [HttpBody()]
        pieces[0].content_type = content_type
        call = self.rest.UploadSkillRest(
            iter(pieces), metadata=(*self.metadata, ("x-envoy-original-method", "POST"))
        )
        try:
            reply = await call
        except grpc.aio.AioRpcError as error:
            # Its published type is that of the synchronous API.
            trailing = cast("grpc.aio.Metadata", error.trailing_metadata())
            return Reply(int(trailing["x-http-code"]), json.loads(trailing["x-rest-error"]))
        initial = dict(await call.initial_metadata())
        assert reply.content_type == "application/json"
        return Reply(int(initial["x-http-code"]), json.loads(reply.data))


@dataclass(frozen=True)
class Registry:
    channel: grpc.aio.Channel
    pool: "db.Pool"
    archives: ObjectStore

    def caller(self, tenant: str = "", scopes: Sequence[str] = ALL) -> Caller:
        return Caller(self.channel, tenant or uuid.uuid4().hex, scopes)


def settings_for(dsn: str, s3: parts.S3, **changes: Any) -> Settings:
    return Settings(
        db_dsn=SecretStr(dsn),
        s3_endpoint=s3.endpoint,
        s3_access_key=SecretStr(s3.access_key),
        s3_secret_key=SecretStr(s3.secret_key),
        s3_bucket_skills=BUCKET,
        **changes,
    )


@asynccontextmanager
async def run_registry(
    dsn: str, s3: parts.S3, installer: "Installer | None" = None, **changes: Any
) -> AsyncIterator[Registry]:
    """Serves on a free port; `changes` are settings other than the defaults."""
    settings = settings_for(dsn, s3, **changes)
    async with (
        db.connect(settings, SCHEMA) as pool,
        object_store.connect(settings, settings.s3_bucket_skills) as archives,
    ):
        server = create_server(build_chain(Keys(), ACCESS))
        keys = PostgresUploadKeys(pool, settings.idempotency_ttl)
        dependencies = PrepareDependencies(
            PostgresDependencyReports(pool), installer or Installer()
        )
        skills = PostgresSkillStore(pool)
        add_servicers(
            server,
            settings,
            skills,
            archives,
            keys=keys,
            known=PostgresArchives(pool),
            dependencies=dependencies,
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Registry(channel, pool, archives)
        finally:
            await server.stop(None)
            await dependencies.close()
