"""The errors that need a stack with other settings, or one with a part that is broken."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.contract.checks import check_grpc, check_rest
from tests.contract.setting import running
from tests.contract.table import Expect, Grpc, Rest
from tests.contract.transports import send_grpc, send_rest
from tests.e2e import skills
from tests.e2e.stack import API_KEY, Client
from tests.e2e.waiting import until

pytestmark = pytest.mark.bubblewrap

REFUSALS = {
    expect.reason: expect
    for expect in (
        Expect(
            status=409,
            error="already_exists",
            code="ALREADY_EXISTS",
            reason="SKILL_ALREADY_EXISTS",
            message="skill once@1.0.0 already exists with other content",
        ),
        Expect(
            status=429,
            error="resource_exhausted",
            headers={"retry-after": "<int>"},
            code="RESOURCE_EXHAUSTED",
            reason="CAPACITY_EXHAUSTED",
            message="all places are taken; try again later",
        ),
        Expect(
            status=503,
            error="service_unavailable",
            code="UNAVAILABLE",
            reason="DEPENDENCY_UNAVAILABLE",
            message="the Auth service does not answer",
        ),
        Expect(
            status=500,
            error="internal_error",
            code="INTERNAL",
            reason="INTERNAL",
            message="internal error",
        ),
    )
}


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """A stack with one place for executions, in which versions are immutable."""
    async with running(
        SKILLBOX_IMMUTABLE_VERSIONS="true",
        SKILLBOX_MAX_CONCURRENT_EXECS="1",
        SKILLBOX_MAX_QUEUE="0",
    ) as client:
        yield client


async def refused(
    client: Client, reason: str, rest: Rest, call: Grpc, key: str = API_KEY, archive: bytes = b""
) -> None:
    """Fails unless a call is refused for this reason, over both transports at once."""
    headers, archives = {"Authorization": f"Bearer {key}"}, {"archive": archive}
    async with client.http() as http, client.channel() as channel:
        reply, outcome = await asyncio.gather(
            send_rest(http, rest, headers, archives), send_grpc(channel, call, headers, archives)
        )
    check_rest(reply, REFUSALS[reason])
    check_grpc(outcome, REFUSALS[reason])


async def test_a_version_that_is_kept(client: Client) -> None:
    archive = skills.skill("once", "main.py", "print(1)")
    await client.push(archive)
    await client.push(archive)
    await refused(
        client,
        "SKILL_ALREADY_EXISTS",
        Rest("POST", "/v1/skills", type="application/zip", archive="archive"),
        Grpc("SkillService/UploadSkill", [{"chunk": "@archive"}]),
        archive=skills.skill("once", "main.py", "print(2)"),
    )


async def test_no_place_for_an_execution(client: Client) -> None:
    await client.push(skills.SLEEPER)
    run = asyncio.create_task(client.run("sleeper"))
    try:
        execution_id = await until(lambda: client.running("sleeper"))
        await refused(
            client,
            "CAPACITY_EXHAUSTED",
            Rest("POST", "/v1/executions", json={"skill": "sleeper"}),
            Grpc("ExecutionService/RunSkill", {"run": {"skill": "sleeper"}}),
        )
        async with client.http() as http:
            recorded = (await http.get("/v1/executions")).json()["executions"]
        assert [execution["execution_id"] for execution in recorded] == [execution_id]
    finally:
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


async def test_auth_that_does_not_answer(client: Client) -> None:
    with suspended(client, "auth"):
        await refused(
            client,
            "DEPENDENCY_UNAVAILABLE",
            Rest("GET", "/v1/skills"),
            Grpc("SkillService/ListSkills"),
            # Nobody remembers it.
            key="sk-not-seen-before",
        )


@contextmanager
def suspended(client: Client, service: str) -> Iterator[None]:
    """Stops a process for the block, so that it neither answers nor ends."""
    process = psutil.Process(client.stack.status()["services"][service]["pid"])
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def test_an_archive_that_was_lost(client: Client) -> None:
    await client.push(skills.skill("lost", "main.py", "print(1)"))
    async with client.http() as http:
        digest = (await http.get("/v1/skills/lost/latest")).json()["digest"]
    (stored,) = client.stack.data_dir.glob(f"s3/**/{digest}")
    stored.unlink()
    await refused(
        client,
        "INTERNAL",
        Rest("GET", "/v1/skills/lost/latest/archive"),
        Grpc("SkillService/DownloadSkill", {"name": "lost"}),
    )
