"""The service as it is run: settings from the environment, Auth for the keys, health."""

import asyncio
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2

from skillbox.registry.v1.skill_service_pb2 import ListSkillsRequest, UploadSkillRequest
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub
from tests.support import parts
from tests.support.failures import failure
from tests.support.services import Service, health, run_service
from tests.unit.registry.zips import skill_zip

KEY = "sk-example-test-key"
METADATA = (("authorization", f"Bearer {KEY}"),)


@pytest.fixture
async def auth(dsn: str) -> AsyncIterator[Service]:
    environment = {"SKILLBOX_DB_DSN": dsn, "SKILLBOX_BOOTSTRAP_API_KEY": KEY}
    async with run_service("skillbox_auth", environment) as service:
        yield service


def environment_of(dsn: str, s3: parts.S3) -> dict[str, str]:
    # A bucket that is not there yet.
    return {"SKILLBOX_DB_DSN": dsn, "SKILLBOX_S3_BUCKET_SKILLS": "fresh", **s3.environment()}


async def test_a_skill_is_stored_with_a_key_that_auth_knows(
    auth: Service, dsn: str, s3: parts.S3
) -> None:
    environment = {**environment_of(dsn, s3), "SKILLBOX_AUTH_ADDRESS": auth.address}
    async with (
        run_service("skillbox_registry", environment) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        skills = SkillServiceStub(channel)
        message = UploadSkillRequest(chunk=skill_zip())
        await skills.UploadSkill(iter([message]), metadata=METADATA)
        reply = await skills.ListSkills(ListSkillsRequest(), metadata=METADATA)
        assert [skill.name for skill in reply.skills] == ["demo"]
        refused = await failure(
            skills.ListSkills(
                ListSkillsRequest(), metadata=(("authorization", "Bearer sk-unknown"),)
            )
        )
        assert refused.message == "invalid or revoked API key"
        assert KEY not in service.log()


async def test_it_does_not_serve_an_old_schema(dsn: str, s3: parts.S3) -> None:
    environment = environment_of(dsn, s3)
    async with run_service(
        "skillbox_registry", environment, migrate=False, until_serving=False
    ) as service:
        async with asyncio.timeout(10):
            while "this server needs 000" not in service.log():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert await health(service.address) == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_it_does_not_serve_without_its_object_store(dsn: str, s3: parts.S3) -> None:
    nowhere = parts.S3(f"127.0.0.1:{parts.free_port()}", s3.access_key, s3.secret_key)
    async with run_service(
        "skillbox_registry", environment_of(dsn, nowhere), until_serving=False
    ) as service:
        assert await health(service.address) == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_every_problem_of_the_settings_is_told() -> None:
    process = await create_subprocess_exec(
        *(sys.executable, "-m", "skillbox_registry"),
        env={
            "PYTHONPATH": ":".join(path for path in sys.path if path),
            "SKILLBOX_MAX_MEMORY": "lots",
            "SKILLBOX_MAX_CPU": "0",
            "SKILLBOX_MAX_SKILL_SIZE": "3Gi",
        },
        stderr=PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    text = errors.decode()
    for name in ("DB_DSN", "S3_ENDPOINT", "MAX_MEMORY", "MAX_CPU", "MAX_SKILL_SIZE"):
        assert f"SKILLBOX_{name}" in text
