"""Packages of Python skills, from the archive and from an index."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.dependencies.provider import object_key
from skillbox_executor.domain import Reason, Refused
from skillbox_executor.sandbox.interface import DEPENDENCIES
from tests.sandbox.dependencies.conftest import Replica
from tests.support.packages import Index, wheel

# What no driver makes a difference to.
on_bubblewrap = pytest.mark.parametrize(
    "replica", [pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)], indirect=True
)
USE = "import greeting; print(greeting.ANSWER)"
PINNED = {"requirements.txt": b"greeting==1.0\n"}


def vendored(*wheels: tuple[str, bytes], requirements: bytes = b"greeting") -> dict[str, bytes]:
    return {
        "main.py": b"",
        "requirements.txt": requirements,
        **{f"wheels/{name}": content for name, content in wheels},
    }


async def refusal(replica: Replica, files: dict[str, bytes], **changed: Any) -> str:
    with pytest.raises(Refused) as refused:
        await replica.planned(files, **changed)
    assert refused.value.reason is Reason.DEPENDENCY_FAILED
    return str(refused.value)


async def test_wheels_of_the_archive_are_there_without_any_network(replica: Replica) -> None:
    plan = await replica.planned(vendored(wheel("greeting")), dependencies="vendored")
    ran = await replica.run(plan, USE)
    assert ran.ok() == "greeting 1.0\n"
    controls = {each.name: each.value for each in ran.evidence.controls}
    assert plan.profile.dependencies in controls["dependencies"]
    assert DEPENDENCIES in controls["dependencies"]
    assert DEPENDENCIES not in controls["writable"]


async def test_packages_of_an_index_are_there_in_runs_that_have_no_network(
    replica: Replica, index: Index
) -> None:
    index.add_wheel(*wheel("greeting", requires=("tail>=1",)))
    index.add_wheel(*wheel("tail", "1.5"))
    files = {"requirements.txt": b"# what it needs\nGreeting == 1.0 # pinned\n"}
    plan = await replica.planned(files, pip_index_url=SecretStr(index.simple))
    script = f"""
import errno, socket, subprocess, sys, tail
{USE}
print(tail.ANSWER, sys.path[1], tail.__cached__.startswith(sys.path[1]))
print(subprocess.run([sys.executable, "-c", "import tail; print(tail.ANSWER)"],
                     capture_output=True, text=True).stdout.strip())
try:
    open(sys.path[1] + "/tail.py", "a")
except OSError as error:
    print("read-only", error.errno in (errno.EROFS, errno.EACCES))
try:
    socket.create_connection(("{index.host}", {index.port}), 2)
except OSError as error:
    print("no network", error.errno)
"""
    said = (await replica.run(plan, script)).ok().splitlines()
    assert said[:4] == [
        "greeting 1.0",
        "tail 1.5 /opt/skillbox/deps/packages True",
        "tail 1.5",
        "read-only True",
    ]
    assert said[4].startswith("no network")


async def test_a_shared_object_can_be_loaded(replica: Replica, tmp_path: Path) -> None:
    source, library = tmp_path / "answer.c", tmp_path / "answer.so"
    source.write_text("int answer(void) { return 42; }\n")
    compiler = await asyncio.create_subprocess_exec("cc", "-shared", "-fPIC", "-o", library, source)
    assert await compiler.wait() == 0
    files = {"native/__init__.py": b"", "native/answer.so": library.read_bytes()}
    plan = await replica.planned(
        vendored(wheel("native", files=files, tag="py3-none-any"), requirements=b"native")
    )
    script = (
        "import ctypes, native, os\n"
        "path = os.path.join(os.path.dirname(native.__file__), 'answer.so')\n"
        "print(ctypes.CDLL(path).answer())"
    )
    assert (await replica.run(plan, script)).ok() == "42\n"


@on_bubblewrap
async def test_two_skills_and_two_replicas_install_a_set_once(
    replica: Replica, index: Index
) -> None:
    index.add_wheel(*wheel("greeting"))
    url = SecretStr(index.simple)
    spellings = [b"greeting==1.0", b"# other text\nGREETING == 1.0\n", b"greeting==1.0  # x"]
    plans = await asyncio.gather(
        *(
            replica.planned({"requirements.txt": each}, pip_index_url=url)
            for each in [*spellings, *spellings]
        )
    )
    assert len({plan.profile.dependencies for plan in plans}) == 1
    assert sum(path.endswith(".whl") for path in index.asked) == 1


@on_bubblewrap
async def test_what_the_index_does_not_have_fails_with_the_installers_words(
    replica: Replica, index: Index
) -> None:
    url = index.simple.replace("//", "//user:hunter2@")
    said = await refusal(replica, PINNED, pip_index_url=SecretStr(url))
    assert "No matching distribution found for greeting==1.0" in said
    assert "hunter2" not in said
    assert index.authorization.startswith("Basic ")
    asked = len(index.asked)
    # Kept for a while, then tried again.
    await refusal(replica, PINNED, pip_index_url=SecretStr(url))
    assert len(index.asked) == asked
    index.add_wheel(*wheel("greeting"))
    plan = await replica.planned(PINNED, pip_index_url=SecretStr(url), dependency_retry=0.0)
    assert (await replica.run(plan, USE)).ok() == "greeting 1.0\n"


@on_bubblewrap
async def test_only_what_the_operator_allows_is_installed(replica: Replica) -> None:
    said = await refusal(replica, PINNED, dependencies="vendored")
    assert "SKILLBOX_DEPENDENCIES=on" in said
    plan = await replica.planned(PINNED, dependencies="off")
    assert plan.profile.dependencies == ""
    plan = await replica.planned({"requirements.txt": b"# nothing\n"}, dependencies="vendored")
    assert plan.profile.dependencies == ""


@on_bubblewrap
async def test_a_source_distribution_runs_no_code(replica: Replica, index: Index) -> None:
    index.add_wheel("greeting-1.0.tar.gz", b"")
    said = await refusal(replica, PINNED, pip_index_url=SecretStr(index.simple))
    assert "No matching distribution" in said
    assert "/files/greeting-1.0.tar.gz" not in index.asked


@on_bubblewrap
async def test_a_package_with_other_bytes_than_its_hash_is_refused(replica: Replica) -> None:
    requirement = b"greeting==1.0 --hash=sha256:" + b"0" * 64
    said = await refusal(replica, vendored(wheel("greeting"), requirements=requirement))
    assert "DO NOT MATCH THE HASHES" in said


@on_bubblewrap
async def test_a_hostile_wheel_leaves_its_folder_nowhere(replica: Replica) -> None:
    hostile = wheel("greeting", files={"../../../tmp/escaped.py": b"", "greeting.py": b""})
    said = await refusal(replica, vendored(hostile))
    assert "outside" in said.lower() or "could not be installed" in said


@on_bubblewrap
async def test_what_is_too_large_is_refused(replica: Replica) -> None:
    huge = wheel("greeting", files={"greeting.py": bytes(300 * 1024 * 1024)})
    said = await refusal(replica, vendored(huge), dependencies="vendored")
    assert "No space left" in said or "ran out of memory" in said


@on_bubblewrap
async def test_what_takes_too_long_is_refused(replica: Replica) -> None:
    said = await refusal(replica, vendored(wheel("greeting")), builder_timeout=0.2)
    assert "took longer than 200ms" in said


async def test_a_half_filled_copy_is_completed(replica: Replica) -> None:
    files = vendored(wheel("greeting", files={"greeting.py": b"ANSWER = 'whole'\n"}))
    plan = await replica.planned(files)
    async with replica.other() as packages:
        await packages.shelf.remove(plan.profile.dependencies)
    # What the engine makes for a box without packages is an empty place, as after a filler
    # that died.
    await replica.empty(plan.profile)
    async with replica.other() as packages:
        assert not await packages.shelf.has(plan.profile)
    plan = await replica.planned(files)
    assert (await replica.run(plan, USE)).ok() == "whole\n"


async def test_a_fresh_host_takes_the_set_from_the_object_store(
    replica: Replica, index: Index
) -> None:
    index.add_wheel(*wheel("greeting"))
    url = SecretStr(index.simple)
    plan = await replica.planned(PINNED, pip_index_url=url)
    async with replica.other() as packages:
        await packages.shelf.remove(plan.profile.dependencies)
    asked = len(index.asked)
    plan = await replica.planned(PINNED, pip_index_url=url)
    assert (await replica.run(plan, USE)).ok() == "greeting 1.0\n"
    assert len(index.asked) == asked


@on_bubblewrap
@pytest.mark.parametrize("content", [None, b"other bytes"])
async def test_a_set_that_was_lost_or_changed_is_made_anew(
    replica: Replica, content: bytes | None
) -> None:
    files = vendored(wheel("greeting"))
    plan = await replica.planned(files)
    key = object_key(plan.profile.dependencies)
    if content is None:
        await replica.objects.delete(key)
    else:
        await replica.objects.put(key, content, "application/gzip")
    async with replica.other() as packages:
        await packages.shelf.remove(plan.profile.dependencies)
    with pytest.raises(DependencyUnavailable, match="were lost"):
        await replica.planned(files)
    plan = await replica.planned(files)
    assert (await replica.run(plan, USE)).ok() == "greeting 1.0\n"


async def test_sets_that_nobody_uses_are_removed_step_by_step(replica: Replica) -> None:
    files = vendored(wheel("greeting"))
    plan = await replica.planned(files)
    key = object_key(plan.profile.dependencies)
    async with replica.other(dependency_ttl=3600.0) as packages:
        await packages.collector.collect()
        assert await packages.shelf.has(plan.profile)
        await replica.pool.execute("UPDATE dependency_sets SET used_at = now() - interval '90m'")
        await packages.collector.collect()
        assert not await packages.shelf.has(plan.profile)
        assert b"".join([chunk async for chunk in replica.objects.stream(key)])
        await replica.pool.execute("UPDATE dependency_sets SET used_at = now() - interval '3h'")
        await packages.collector.collect()
    assert await replica.pool.fetchval("SELECT count(*) FROM dependency_sets") == 0
    plan = await replica.planned(files)
    assert (await replica.run(plan, USE)).ok() == "greeting 1.0\n"
