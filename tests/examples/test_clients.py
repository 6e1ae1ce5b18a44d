"""Both Python clients against the live stack: each call does the same and returns the same."""

import asyncio
import io
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from skillbox import APIError, Event
from skillbox import Client as Sdk
from skillbox.aio import AsyncClient
from tests.e2e import skills
from tests.e2e.stack import API_KEY, Client
from tests.e2e.waiting import until
from tests.examples.both import Both


async def test_the_life_of_a_skill(call: Both, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(skills.skill("both", "main.py", "print('grün')", 'version: "1.0.0"'))
    sent: list[int] = []
    stored = await call("upload_skill", archive, progress=sent.append)
    assert (stored.name, stored.version, stored.lang) == ("both", "1.0.0", "python")
    assert sum(sent) == archive.stat().st_size
    await call("register_skill", archive)

    assert stored in await call("list_skills")
    detail = await call("get_skill", "both")
    assert (detail.version, detail.entrypoint) == ("1.0.0", "scripts/main.py")
    assert await call("list_versions", "both") == [stored]
    files = await call("list_skill_files", "both")
    assert [file.path for file in files] == ["SKILL.md", "scripts/main.py"]
    source = await call("get_skill_file", "both", "1.0.0", "scripts/main.py")
    assert source.decode() == "print('grün')"
    with zipfile.ZipFile(io.BytesIO(await call("download_skill", "both"))) as downloaded:
        assert sorted(downloaded.namelist()) == ["SKILL.md", "scripts/main.py"]

    result = await call("run", "both")
    assert (result.status, result.logs, result.output) == ("success", "grün\n", None)

    await call("delete_skill", "both", "1.0.0")
    with pytest.raises(APIError) as caught:
        await call("get_skill", "both", "1.0.0")
    assert (caught.value.status_code, caught.value.error_code) == (404, "not_found")


async def test_a_run_and_its_record(call: Both, tmp_path: Path) -> None:
    data = {"data": [1, 2, 3, 4, 5]}
    result = await call("run", "data-analysis", input=data, version="1.0.0", env={"A": "b"})
    assert (result.status, result.output["mean"], result.exit_code) == ("success", 3.0, 0)
    await call("download_files", result, tmp_path / "out")
    assert "| mean | 3 |" in (tmp_path / "out" / "report.md").read_text()

    record = await call("get_execution", result.execution_id)
    assert (record.skill_version, record.input, record.output) == ("1.0.0", data, result.output)
    assert record.sandbox["driver"] == "bubblewrap"
    assert await call("get_execution_logs", result.execution_id) == result.logs
    assert "".join(await call("follow_logs", result.execution_id)) == result.logs
    events = await call("stream", result.execution_id, after_seq=1)
    assert [event.seq for event in events] == list(range(2, len(events) + 2))
    assert (events[0].type, events[-1].type) == ("started", "finished")
    page = await call("list_executions", skill="data-analysis", status="success", page_size=1)
    assert page.executions[0].execution_id == result.execution_id
    assert (await call("cancel", result.execution_id)).status == "success"


async def test_both_return_the_same(live: Client) -> None:
    with Sdk(live.url, API_KEY) as sdk:
        async with AsyncClient(live.url, API_KEY) as aio:
            events: list[Event] = []

            async def keep(event: Event) -> None:
                events.append(event)

            result = await aio.run("exit-code", input={"code": 2}, on_event=keep)
            id_ = result.execution_id
            assert list(sdk.stream(id_)) == events
            assert sdk.list_skills() == await aio.list_skills()
            for name in ("text-summary", "data-analysis"):
                assert sdk.get_skill(name) == await aio.get_skill(name)
            one, other = sdk.get_execution(id_), await aio.get_execution(id_)
            # Signed for each read.
            urls = {one.files_url.partition("?")[0], other.files_url.partition("?")[0]}
            assert len(urls) == 1
            for name in vars(one).keys() - {"files_url"}:
                assert getattr(one, name) == getattr(other, name), name
            assert sdk.list_executions(page_size=5) == await aio.list_executions(page_size=5)


async def test_keys(call: Both) -> None:
    created = await call("create_api_key", "both", scopes=["skills:read"], ttl=timedelta(hours=1))
    assert created.secret.startswith("sk-")
    assert created.api_key.scopes == ["skills:read"]
    assert created.api_key.expires_at
    successor = await call("rotate_api_key", created.api_key.id, grace=timedelta(minutes=1))
    revoked = await call("revoke_api_key", successor.api_key.id)
    assert revoked.revoked_at
    ids = [key.id for key in await call("list_api_keys")]
    assert {created.api_key.id, successor.api_key.id} <= set(ids)


@pytest.mark.parametrize(
    ("method", "args", "expected"),
    [
        ("run", ["no-such-skill"], (404, "not_found", "skill not found: no-such-skill@latest")),
        ("get_execution", ["no-uuid"], (404, "not_found", "execution not found")),
        ("stream", ["no-uuid"], (404, "not_found", "execution not found")),
        ("get_skill", ["no-such-skill"], (404, "not_found", "skill not found: no-such-skill@lat")),
        ("delete_skill", ["x", "9.9.9"], (404, "not_found", "skill not found: x@9.9.9")),
        ("revoke_api_key", ["x"], (404, "not_found", "")),
        ("list_executions", [], (400, "bad_request", "status: ")),
    ],
)
async def test_refusals(
    call: Both, method: str, args: list[str], expected: tuple[int, str, str]
) -> None:
    kwargs = {"status": "lost"} if method == "list_executions" else {}
    with pytest.raises(APIError) as caught:
        await call(method, *args, **kwargs)
    error = caught.value
    assert (error.status_code, error.error_code) == expected[:2]
    assert error.message.startswith(expected[2])


async def test_a_broken_archive_is_refused(call: Both, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    with pytest.raises(APIError) as caught:
        await call("register_skill", tmp_path / "a.zip")
    assert (caught.value.status_code, caught.value.error_code) == (400, "invalid_skill")
    with pytest.raises(FileNotFoundError):
        await call("register_skill", tmp_path / "b.zip")


@pytest.mark.parametrize("client", [Sdk, AsyncClient])
@pytest.mark.parametrize(
    ("key", "tenant", "status"), [("sk-wrong", "", 401), (API_KEY, "other", 403)]
)
async def test_who_may_not(
    live: Client, client: type[Sdk | AsyncClient], key: str, tenant: str, status: int
) -> None:
    with pytest.raises(APIError) as caught:
        await Both(client(live.url, key, tenant_id=tenant))("list_skills")
    assert caught.value.status_code == status


async def test_a_cancelled_task_cancels_its_run(live: Client) -> None:
    started = asyncio.Event()

    async def watch(event: Event) -> None:
        if event.type == "log":
            started.set()

    await live.push(skills.SLEEPER)
    async with AsyncClient(live.url, API_KEY) as client:
        task = asyncio.create_task(client.run("sleeper", on_event=watch))
        await asyncio.wait_for(started.wait(), 30)
        id_ = await live.running("sleeper")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async def cancelled() -> bool:
            return (await client.get_execution(id_)).status == "cancelled"

        await until(cancelled)


async def test_events_come_as_they_happen(live: Client) -> None:
    times: list[float] = []

    async def note(event: Event) -> None:
        if event.type == "log":
            times.append(asyncio.get_running_loop().time())

    async with AsyncClient(live.url, API_KEY) as client:
        await client.health()
        await client.run("slow-count", args=["9"], on_event=note)
    # A number every 0.2 s; the first one may be late.
    assert times[-1] - times[0] > 0.4
