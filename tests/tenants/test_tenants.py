"""No call of one tenant tells that anything of another's exists."""

import re
import statistics
import time
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import pytest
from google.api import annotations_pb2

from skillbox_gateway.surface import all_services, public_services
from tests.e2e.stack import Client
from tests.tenants.asking import Answer, ask
from tests.tenants.calls import CALLS, Call, Grpc, Rest
from tests.tenants.world import VERSION, World, bearer, tenants_on

pytestmark = pytest.mark.bubblewrap

_SAMPLES = 60
_ALL = [(method, call) for method, calls in CALLS.items() for call in calls]
_ASKING = [(method, call) for method, call in _ALL if "$" in str(call)]
_LISTING = [(method, call) for method, call in _ALL if "$" not in str(call)]


@pytest.fixture(scope="module")
async def world(live: Client) -> AsyncIterator[World]:
    async with tenants_on(live) as world:
        yield world


def test_no_public_method_is_left_out() -> None:
    public = public_services()
    methods = {
        f"{service.name}/{method.name}": method
        for service in all_services()
        if service.name in public
        for method in service.descriptor.method
    }
    assert set(CALLS) == set(methods)
    for name, method in methods.items():
        kinds = {type(call) for call in CALLS[name]}
        bound = method.options.Extensions[annotations_pb2.http].WhichOneof("pattern")
        assert kinds == ({Grpc, Rest} if bound else {Grpc}), name


@pytest.mark.parametrize(("method", "call"), _ASKING, ids=str)
async def test_what_is_theirs_is_like_what_is_nowhere(
    world: World, method: str, call: Call
) -> None:
    theirs = (await ask(world, method, call, world.theirs)).without(world.theirs)
    absent = (await ask(world, method, call, world.absent)).without(world.absent)
    assert theirs == absent


@pytest.mark.parametrize(("method", "call"), _LISTING, ids=str)
async def test_no_reply_holds_anything_of_theirs(world: World, method: str, call: Call) -> None:
    answer = await ask(world, method, call, world.theirs, world.quiet)
    named = [name for name in world.theirs if name != "version"]
    assert not [name for name in named if world.theirs[name] in answer.text]
    assert "their" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/skills/$skill/$version",
        "/v1/skills/$skill/$version/archive",
        "/v1/executions/$execution",
        "/v1/executions/$execution/logs",
        "/v1/executions/$execution/events",
    ],
)
async def test_the_owner_sees_it(world: World, path: str) -> None:
    """So it is not for a mistake of the tests that the curious tenant does not."""
    theirs = await ask(world, "", Rest("GET", path), world.theirs, world.their_key)
    absent = await ask(world, "", Rest("GET", path), world.absent, world.their_key)
    assert (theirs.code, absent.code) == (200, 404)
    assert theirs.without(world.theirs) != absent.without(world.absent)


@pytest.mark.parametrize(("method", "call"), _ASKING, ids=str)
async def test_naming_their_tenant_is_refused(world: World, method: str, call: Call) -> None:
    answers = []
    for names in (world.theirs, world.absent):
        tenant = {"x-tenant-id": names["tenant"]}
        if isinstance(call, Rest):
            claimed: Call = Rest(
                call.verb, call.path, call.json, {**call.headers, **tenant}, call.archive
            )
        else:
            claimed = Grpc(call.request, {**call.metadata, **tenant}, call.archive)
        answers.append((await ask(world, method, claimed, names)).without(names))
    assert answers[0] == answers[1]
    public = method.endswith("/GetReadiness")
    assert public or answers[0].code in (403, "PERMISSION_DENIED")


async def test_a_second_tenant_header_does_not_help(world: World) -> None:
    path = f"/v1/executions/{world.theirs['execution']}"
    key = ("Authorization", f"Bearer {world.mine}")
    for values in (["", world.theirs["tenant"]], [world.theirs["tenant"], ""]):
        headers = [key, *(("X-Tenant-ID", value) for value in values)]
        reply = await world.http.get(path, headers=headers)
        assert reply.status_code in (403, 404)
    two_keys = [key, ("Authorization", f"Bearer {world.their_key}x")]
    assert (await world.http.get(path, headers=two_keys)).status_code in (401, 404)


def _changed_urls(url: str, files: str) -> list[str]:
    """Returns a presigned URL turned towards another's files, in all the ways there are."""
    parts = urlsplit(url)
    bucket, own = parts.path.removeprefix("/").split("/", 1)
    query = parts.query
    prefix = quote(files, safe="")
    paths = [
        f"/{bucket}/{files}/files.tar.gz?{query}",
        f"/{bucket}/{files}/files.tar.gz",
        f"/{bucket}/{own}/../../../{files}/files.tar.gz?{query}",
        f"/{bucket}/{own}%2f..%2f..%2f..%2f{prefix}%2ffiles.tar.gz?{query}",
        f"/{bucket}/{files}/?{query}",
        f"/{bucket}/?list-type=2&prefix={prefix}&{query}",
        f"/{bucket}?prefix={prefix}&{query}",
        f"/{bucket}?prefix={prefix}",
        f"/?{query}",
        f"/skills/?list-type=2&{query}",
        f"/{bucket}/{own}?{query}&prefix={prefix}&list-type=2",
        f"/{bucket}/{own}?{query}&versions&prefix={prefix}",
    ]
    return [parts._replace(path="", query="").geturl() + path for path in paths]


async def test_a_presigned_url_opens_one_file_alone(world: World) -> None:
    assert (await world.http.get(world.files_url)).status_code == 200
    for theirs, absent in zip(
        _changed_urls(world.files_url, world.theirs["files"]),
        _changed_urls(world.files_url, world.absent["files"]),
        strict=True,
    ):
        answers = []
        for url, names in ((theirs, world.theirs), (absent, world.absent)):
            reply = await world.http.get(url)
            text = re.sub(r"<RequestId>[^<]*|<HostId>[^<]*", "", reply.text)
            answers.append(Answer(reply.status_code, text).without(names))
        assert answers[0] == answers[1]
        assert answers[0].code in (400, 401, 403, 404), theirs
        assert "theirs" not in answers[0].text


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("", Rest("GET", "/v1/skills/$skill/$version")),
        ("", Rest("GET", "/v1/skills/$skill/latest/archive")),
        ("", Rest("GET", "/v1/executions/$execution")),
        ("", Rest("GET", "/v1/executions/$running/logs")),
        ("", Rest("DELETE", "/v1/api-keys/$key")),
        ("skillbox.executor.v1.ExecutionService/GetExecution", Grpc({"id": "$running"})),
        ("skillbox.registry.v1.SkillService/GetSkill", Grpc({"name": "$skill"})),
    ],
    ids=str,
)
async def test_time_does_not_tell(world: World, method: str, call: Call) -> None:
    """One after the other, so that whatever else the machine does meets both alike."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(_SAMPLES):
        for names, times in zip((world.theirs, world.absent), took, strict=True):
            before = time.perf_counter()
            await ask(world, method, call, names)
            times.append(time.perf_counter() - before)
    ratio = statistics.median(took[0]) / statistics.median(took[1])
    assert 0.5 < ratio < 2


async def test_nothing_of_theirs_has_changed(world: World) -> None:
    """After everything above: not deleted, replaced, cancelled or revoked."""
    skill = await world.ask_them(f"/v1/skills/{world.theirs['skill']}/{VERSION}")
    assert skill["name"] == world.theirs["skill"]
    listed = {each["name"] for each in await world.ask_them("/v1/skills")}
    assert listed >= {world.theirs[name] for name in ("skill", "archive_rest", "archive_grpc")}
    execution = await world.ask_them(f"/v1/executions/{world.theirs['execution']}")
    assert (execution["status"], execution["logs"]) == ("success", "their log\n")
    assert (await world.http.get(execution["files_url"])).status_code == 200
    assert (await world.ask_them(f"/v1/executions/{world.theirs['running']}"))[
        "status"
    ] == "running"
    keys = (await world.ask_them("/v1/api-keys"))["api_keys"]
    assert [key["id"] for key in keys] == [world.theirs["key"]]
    assert "revoked_at" not in keys[0]
    assert (await world.http.get("/v1/skills", headers=bearer(world.mine))).status_code == 200
