"""Finding, listing and deleting versions, and who sees which."""

import grpc
import pytest

from skillbox.registry.v1.resolver_service_pb2 import ResolveSkillRequest
from skillbox.registry.v1.skill_pb2 import Skill
from skillbox.registry.v1.skill_service_pb2 import (
    DeleteSkillRequest,
    GetSkillRequest,
    ListSkillsRequest,
    ListSkillVersionsRequest,
)
from skillbox_common.principal import Scope
from skillbox_registry.semver_order import is_release, sort_key
from skillbox_registry.store.postgres import FIND_LATEST, LIST, LIST_ONE, LIST_VERSIONS
from tests.service.registry.running import Caller, Registry
from tests.support.failures import Failure, failure
from tests.unit.registry.zips import MAIN, skill_md, skill_zip, zip_of

UNORDERED = ("1.10.0", "1.2.0", "2.0.0-rc.1", "1.9.0", "2.0.0-alpha", "1.2.0+b", "0.1.0")
ORDERED = ("0.1.0", "1.2.0", "1.2.0+b", "1.9.0", "1.10.0", "2.0.0-alpha", "2.0.0-rc.1")


async def get(caller: Caller, name: str, version: str = "") -> Skill:
    request = GetSkillRequest(name=name, version=version)
    return await caller.skills.GetSkill(request, metadata=caller.metadata)


async def delete(caller: Caller, name: str, version: str) -> None:
    request = DeleteSkillRequest(name=name, version=version)
    await caller.skills.DeleteSkill(request, metadata=caller.metadata)


async def listed(caller: Caller, *, size: int = 0, name: str = "") -> list[list[str]]:
    """Returns the versions of each page."""
    pages = []
    token = ""
    while True:
        reply = await caller.skills.ListSkills(
            ListSkillsRequest(page_size=size, page_token=token, name=name),
            metadata=caller.metadata,
        )
        pages.append([f"{skill.name}@{skill.version}" for skill in reply.skills])
        token = reply.next_page_token
        if not token:
            return pages


async def test_latest_is_the_highest_release(caller: Caller) -> None:
    for version in UNORDERED:
        await caller.upload(skill_zip(version=version))
    for asked in ("", "latest"):
        assert (await get(caller, "demo", asked)).version == "1.10.0"
    assert (await get(caller, "demo", "2.0.0-rc.1")).version == "2.0.0-rc.1"


async def test_latest_is_a_pre_release_only_when_there_is_no_release(caller: Caller) -> None:
    for version in ("1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-alpha"):
        await caller.upload(skill_zip(version=version))
    assert (await get(caller, "demo")).version == "1.0.0-beta.11"
    await caller.upload(skill_zip(version="0.0.1"))
    assert (await get(caller, "demo")).version == "0.0.1"


async def test_a_deleted_version_is_gone_and_others_stay(caller: Caller) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        await caller.upload(skill_zip(version=version))
    await delete(caller, "demo", "1.1.0")
    assert await listed(caller) == [["demo@1.0.0", "demo@2.0.0"]]
    await delete(caller, "demo", "latest")
    assert (await get(caller, "demo")).version == "1.0.0"
    gone = await failure(delete(caller, "demo", "1.1.0"))
    assert gone == Failure(
        grpc.StatusCode.NOT_FOUND, "SKILL_NOT_FOUND", "skill not found: demo@1.1.0"
    )
    await caller.upload(skill_zip(version="1.1.0"))
    assert (await get(caller, "demo", "1.1.0")).version == "1.1.0"


async def test_a_deletion_must_name_its_version(caller: Caller) -> None:
    await caller.upload(skill_zip())
    refused = await failure(delete(caller, "demo", ""))
    assert refused.reason == "INVALID_ARGUMENT"
    assert await listed(caller) == [["demo@1.0.0"]]


@pytest.mark.parametrize(
    ("name", "version", "shown"),
    [
        ("missing", "", "missing@latest"),
        ("missing", "latest", "missing@latest"),
        ("missing", "1.0.0", "missing@1.0.0"),
        ("demo", "9.9.9", "demo@9.9.9"),
        ("demo", "1", "demo@1"),
        ("demo", "not a version", "demo@not a version"),
        ("demo", "1.0.0\0", "demo@1.0.0\0"),
        ("de\0mo", "1.0.0", "de\0mo@1.0.0"),
        ("../demo", "1.0.0", "../demo@1.0.0"),
        ("demo'; DROP TABLE skill_versions; --", "", "demo'; DROP TABLE skill_versions; --@latest"),
        ("DEMO", "1.0.0", "DEMO@1.0.0"),
        ("\u65e5\u672c", "1.0.0", "\u65e5\u672c@1.0.0"),
    ],
)
async def test_what_is_not_there_is_not_found(
    caller: Caller, name: str, version: str, shown: str
) -> None:
    await caller.upload(skill_zip())
    expected = Failure(grpc.StatusCode.NOT_FOUND, "SKILL_NOT_FOUND", f"skill not found: {shown}")
    assert await failure(get(caller, name, version)) == expected
    assert await failure(delete(caller, name, version or "latest")) == expected
    request = ResolveSkillRequest(name=name, version=version)
    resolving = caller.resolver.ResolveSkill(request, metadata=caller.metadata)
    assert await failure(resolving) == expected
    with pytest.raises(grpc.aio.AioRpcError, match="skill not found"):
        await caller.download(name, version)


async def test_a_name_is_required(caller: Caller) -> None:
    assert (await failure(get(caller, ""))).message == "'name' is required"


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10, 1000, 0])
async def test_pages_hold_every_version_once_in_order(caller: Caller, size: int) -> None:
    for version in UNORDERED:
        await caller.upload(skill_zip(version=version))
    for name in ("Zebra", "a"):
        await caller.upload(skill_zip(name=name))
    pages = await listed(caller, size=size)
    expected = ["Zebra@1.0.0", "a@1.0.0", *(f"demo@{version}" for version in ORDERED)]
    assert [version for page in pages for version in page] == expected
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert len(pages[-1]) > 0


async def test_a_list_may_be_of_one_skill(caller: Caller) -> None:
    for name, version in (("one", "1.0.0"), ("one", "1.1.0"), ("other", "1.0.0")):
        await caller.upload(skill_zip(name=name, version=version))
    assert await listed(caller, name="one", size=1) == [["one@1.0.0"], ["one@1.1.0"]]
    assert await listed(caller, name="on") == [[]]
    assert await listed(caller, name="no\0name") == [[]]


async def versions(caller: Caller, name: str = "demo", *, size: int = 0) -> list[list[str]]:
    """Returns the versions of each page; each page has to name the skill and its latest."""
    pages = []
    token = latest = ""
    while True:
        reply = await caller.skills.ListSkillVersions(
            ListSkillVersionsRequest(name=name, page_size=size, page_token=token),
            metadata=caller.metadata,
        )
        assert reply.name == name
        assert reply.latest == (latest or reply.latest)
        latest = reply.latest
        pages.append([skill.version for skill in reply.versions])
        token = reply.next_page_token
        if not token:
            assert latest == (await get(caller, name)).version
            return pages


@pytest.mark.parametrize("size", [1, 2, 6, 7, 8, 0])
async def test_the_versions_of_a_skill_are_listed_highest_first(caller: Caller, size: int) -> None:
    for version in UNORDERED:
        await caller.upload(skill_zip(version=version))
    for name in ("deme", "demo2"):
        await caller.upload(skill_zip(name=name))
    pages = await versions(caller, size=size)
    assert [version for page in pages for version in page] == list(reversed(ORDERED))
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert len(pages[-1]) > 0


async def test_the_versions_of_what_is_not_there(registry: Registry) -> None:
    one, other = registry.caller(), registry.caller()
    await one.upload(skill_zip())
    for caller, name in ((one, "missing"), (one, "no\0name"), (other, "demo")):
        assert await failure(versions(caller, name)) == Failure(
            grpc.StatusCode.NOT_FOUND, "SKILL_NOT_FOUND", f"skill not found: {name}@latest"
        )
    for request in (
        ListSkillVersionsRequest(name="demo", page_size=-1),
        ListSkillVersionsRequest(name="demo", page_token="nonsense"),
    ):
        refused = await failure(one.skills.ListSkillVersions(request, metadata=one.metadata))
        assert refused.reason == "INVALID_ARGUMENT"
        assert refused.message.startswith("page_")


@pytest.mark.parametrize(
    "request_",
    [
        ListSkillsRequest(page_size=-1),
        ListSkillsRequest(page_token="nonsense"),
        ListSkillsRequest(page_token="WyJhIl0"),
        ListSkillsRequest(page_token="WyJhIiwgIlx1MDAwMCJd"),
    ],
    ids=["size", "token", "short token", "token with a NUL"],
)
async def test_a_bad_page_is_refused(caller: Caller, request_: ListSkillsRequest) -> None:
    refused = await failure(caller.skills.ListSkills(request_, metadata=caller.metadata))
    assert refused.reason == "INVALID_ARGUMENT"
    assert refused.message.startswith("page_")


async def test_tenants_do_not_see_each_other(registry: Registry) -> None:
    one, other = registry.caller(), registry.caller()
    await one.upload(skill_zip("timeout: 1s"))
    assert await listed(other) == [[]]
    assert (await failure(get(other, "demo"))).reason == "SKILL_NOT_FOUND"
    assert (await failure(delete(other, "demo", "1.0.0"))).reason == "SKILL_NOT_FOUND"
    await other.upload(skill_zip("timeout: 2s"))
    await delete(other, "demo", "1.0.0")
    assert (await get(one, "demo")).timeout == "1s"
    assert await one.download("demo") == skill_zip("timeout: 1s")


async def test_tenants_share_an_archive_and_not_its_fate(registry: Registry) -> None:
    one, other = registry.caller(), registry.caller()
    assert (await one.upload(skill_zip())).skill.digest == (
        await other.upload(skill_zip())
    ).skill.digest
    await delete(one, "demo", "1.0.0")
    assert await other.download("demo") == skill_zip()


async def test_the_resolver_says_where_the_archive_is(caller: Caller, registry: Registry) -> None:
    content = zip_of(
        {
            "top/SKILL.md": skill_md("input_schema: in.json\noutput_schema: {type: array}"),
            "top/main.py": MAIN,
            "top/in.json": '{"type":"object","minProperties":12345678901234567}',
        }
    )
    stored = (await caller.upload(content)).skill
    runner = registry.caller(caller.tenant, (Scope.EXECUTIONS_RUN,))
    reply = await runner.resolver.ResolveSkill(
        ResolveSkillRequest(name="demo"), metadata=runner.metadata
    )
    assert reply.skill == stored
    assert reply.root == "top/"
    assert reply.input_schema_json == '{"type":"object","minProperties":12345678901234567}'
    assert reply.output_schema_json == '{"type":"array"}'
    assert await registry.archives.get(reply.archive_key) == content


async def test_scopes(registry: Registry) -> None:
    owner = registry.caller()
    await owner.upload(skill_zip())
    reader = registry.caller(owner.tenant, (Scope.SKILLS_READ,))
    runner = registry.caller(owner.tenant, (Scope.EXECUTIONS_RUN,))
    writer = registry.caller(owner.tenant, (Scope.SKILLS_WRITE,))
    assert (await failure(reader.upload(skill_zip()))).reason == "SCOPE_MISSING"
    assert (await failure(delete(reader, "demo", "1.0.0"))).reason == "SCOPE_MISSING"
    assert (await failure(get(runner, "demo"))).reason == "SCOPE_MISSING"
    assert (await failure(get(writer, "demo"))).reason == "SCOPE_MISSING"
    resolving = reader.resolver.ResolveSkill(
        ResolveSkillRequest(name="demo"), metadata=reader.metadata
    )
    assert (await failure(resolving)).reason == "SCOPE_MISSING"


async def test_ten_thousand_skills_are_read_through_an_index(
    caller: Caller, registry: Registry
) -> None:
    versions = [f"1.{minor}.0" for minor in range(100)]
    await registry.pool.execute(
        """
        INSERT INTO skill_versions
        SELECT $1, 'skill-' || n, version, key, release, '', '', '', '', '', '', '', '', '', '', '',
               repeat('0', 64), 1
        FROM generate_series(1, 100) AS n,
             unnest($2::text[], $3::text[], $4::boolean[]) AS v (version, key, release)
        """,
        caller.tenant,
        versions,
        list(map(sort_key, versions)),
        list(map(is_release, versions)),
    )
    await registry.pool.execute("ANALYZE skill_versions")
    assert sum(map(len, await listed(caller, size=1000))) == 10_000
    tenant, start = caller.tenant, ("", "")
    for query, values, index in (
        (FIND_LATEST, (tenant, "skill-7"), "skill_versions_latest"),
        (LIST, (tenant, *start, 50), "skill_versions_order"),
        (LIST_ONE, (tenant, *start, 50, "skill-7"), "skill_versions_order"),
        (LIST_VERSIONS, (tenant, "skill-7", "~", 50), "skill_versions_order"),
    ):
        rows = await registry.pool.fetch(f"EXPLAIN {query}", *values)
        plan = "\n".join(row[0] for row in rows)
        assert f"using {index}" in plan
        assert "Sort" not in plan
    assert (await get(caller, "skill-7")).version == "1.99.0"
