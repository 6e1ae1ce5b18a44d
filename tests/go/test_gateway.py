"""The gateway in Go answers like Envoy does, before the same services."""

import asyncio
import io
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.skills import SLEEPER, TICK_S, TICKER, TICKS, skill
from tests.e2e.stack import API_KEY, Client
from tests.e2e.waiting import until
from tests.go.gateway import Gateway, serve
from tools import golang

# The gateway may have to be built.
pytestmark = [pytest.mark.timeout(600), pytest.mark.bubblewrap]

ZIP = {"Content-Type": "application/zip"}

ECHO = """
import os, pathlib

pathlib.Path(os.environ["SANDBOX_OUTPUT"]).write_text(os.environ["SANDBOX_INPUT"])
pathlib.Path(os.environ["SANDBOX_FILES_DIR"], "note.txt").write_text("kept")
print("echo")
"""


def key(value: str) -> dict[str, Any]:
    return {"headers": {"Authorization": value}}


LARGE = b" " * (5 << 20)
NOBODY = key("Bearer sk-nobody")

SAME = {
    "health": ("GET", "/health", {}),
    "ready": ("GET", "/ready", {}),
    "no skills yet": ("GET", "/v1/skills?", {}),
    "no executions": ("GET", "/v1/executions?status=queued&page_size=2", {}),
    "other scheme": ("GET", "/v1/skills", key("Basic abc")),
    "no token": ("GET", "/v1/skills", key("Bearer")),
    "unknown key": ("GET", "/v1/skills", NOBODY),
    "unknown key, stream": ("GET", "/v1/executions/x/logs", NOBODY),
    "unknown key, upload": ("POST", "/v1/skills", NOBODY | {"content": b"x"}),
    "unknown key, small letters": ("GET", "/v1/skills", key("bearer sk-nobody")),
    "malformed, unknown path": ("POST", "/v1/nothing", key("Basic abc") | {"content": b"{"}),
    "unknown key, path": ("GET", "/v1/nothing", NOBODY),
    "unknown key, method": ("PUT", "/v1/skills", NOBODY),
    "unknown key, parameter": ("GET", "/v1/skills?nope=1", NOBODY),
    "unknown key, malformed parameter": ("GET", "/v1/executions?page_size=x", NOBODY),
    "unknown key, malformed body": ("POST", "/v1/api-keys", NOBODY | {"content": b"{]"}),
    "unknown key, large body": ("POST", "/v1/executions", NOBODY | {"content": LARGE}),
    "other tenant": ("GET", "/v1/skills", {"headers": {"X-Tenant-ID": "other"}}),
    "unknown path": ("GET", "/v1/nothing", {}),
    "unknown path outside": ("GET", "/metrics", {}),
    "internal service": ("POST", "/skillbox.auth.v1.IntrospectionService/Introspect", {}),
    "other method": ("PUT", "/v1/skills", {}),
    "method override": ("POST", "/ready", {"headers": {"X-HTTP-Method-Override": "GET"}}),
    "escaped slash": ("GET", "/v1/skills/a%2Fb/1.0.0", {}),
    "unknown execution": ("GET", "/v1/executions/nope", {}),
    "unknown execution, logs": ("GET", "/v1/executions/nope/logs?follow=true", {}),
    "unknown execution, events": ("GET", "/v1/executions/nope/events", {}),
    "unknown execution, cancel": ("POST", "/v1/executions/nope:cancel", {}),
    "unknown skill": ("GET", "/v1/skills/none/latest", {}),
    "unknown skill, archive": ("GET", "/v1/skills/none/latest/archive", {}),
    "unknown skill, file": ("GET", "/v1/skills/none/latest/files/a/b%2Fc.txt", {}),
    "unknown skill, delete": ("DELETE", "/v1/skills/none/1.0.0", {}),
    "unknown skill, run": ("POST", "/v1/executions", {"json": {"skill": "none"}}),
    "unknown parameter": ("GET", "/v1/skills?nope=1", {}),
    "unknown parameter, typed": ("GET", "/v1/skills/none/latest?nope=1", {}),
    "unknown parameter, stream": ("GET", "/v1/executions/x/logs?nope=1", {}),
    "unknown parameter, body": ("POST", "/v1/executions?nope=1", {"json": {}}),
    "no run body": ("POST", "/v1/executions", {}),
    "no skill named": ("POST", "/v1/executions", {"json": {"skill": "", "new": 1}}),
    "large body": ("POST", "/v1/executions", {"content": LARGE}),
    "empty upload": ("POST", "/v1/skills", {"headers": ZIP}),
    "no zip": ("POST", "/v1/skills", {"headers": ZIP, "content": b"x"}),
    "no form field": ("POST", "/v1/skills", {"files": {"other": b"x"}}),
    "other content type": ("POST", "/v1/skills", {"json": {}}),
    "no scope of that name": ("POST", "/v1/api-keys", {"json": {"scopes": ["x"], "new": 1}}),
    "unknown API key": ("DELETE", "/v1/api-keys/nope", {}),
}


@pytest.mark.parametrize("name", SAME)
async def test_replies_are_the_same(client: Client, gateway: Gateway, name: str) -> None:
    method, path, options = SAME[name]
    async with client.http() as envoy, gateway.http() as go:
        headers = {"X-Request-ID": "an-id", **options.get("headers", {})}
        request = {**options, "headers": headers}
        theirs, ours = [await http.request(method, path, **request) for http in (envoy, go)]
    assert ours.status_code == theirs.status_code
    assert ours.content == theirs.content
    for header in ("content-type", "x-request-id", "retry-after"):
        assert ours.headers.get(header) == theirs.headers.get(header)


def test_the_gateway_alone(gateway_program: Path) -> None:
    assert gateway_program.is_file(), "its modules are there"
    golang.go("vet", ".", cwd=golang.GATEWAY)
    golang.go("test", "-count=1", ".", cwd=golang.GATEWAY)


async def test_without_a_key_only_health_and_readiness_are_open(gateway: Gateway) -> None:
    async with gateway.http(key="") as http:
        assert (await http.get("/health")).status_code == 200
        assert (await http.get("/ready")).status_code == 200
        refused = await http.get("/v1/skills")
    assert refused.status_code == 401
    assert refused.text == '{"error":"unauthorized","message":"missing Authorization header"}'
    assert len(refused.headers["x-request-id"]) == 36


@pytest.mark.parametrize(
    "headers",
    [
        {"Grpc-Metadata-Authorization": f"Bearer {API_KEY}"},
        {"Grpcgateway-Authorization": f"Bearer {API_KEY}"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_no_other_header_opens_the_door(gateway: Gateway, headers: dict[str, str]) -> None:
    async with gateway.http(key="sk-nobody") as http:
        assert (await http.get("/v1/skills", headers=headers)).status_code == 401


async def test_callers_cannot_pretend_to_be_the_gateway(gateway: Gateway) -> None:
    hostile = {"x-http-code": "204", "x-rest-error": "{}", "grpc-timeout": "1n", "te": "trailers"}
    async with gateway.http() as http:
        reply = await http.get("/v1/executions/nope", headers=hostile)
    assert reply.status_code == 404
    assert reply.text == '{"error":"not_found","message":"execution not found"}'
    assert not set(reply.headers) & {"x-http-code", "x-rest-error", "trailer"}


async def test_a_skill_from_its_upload_to_its_deletion(client: Client, gateway: Gateway) -> None:
    archive = with_ballast(skill("go-echo", "main.py", ECHO), 5 << 20)
    async with gateway.http() as go, client.http() as envoy:
        pushed = await go.post("/v1/skills", content=archive, headers=ZIP)
        assert (pushed.status_code, pushed.headers["content-type"]) == (201, "application/json")
        assert pushed.text == (
            '{"name":"go-echo","version":"1.0.0","description":"For a test.","lang":"python"}'
        )
        form = await go.post("/v1/skills", files={"file": ("s.zip", archive, "application/zip")})
        assert (form.status_code, form.content) == (201, pushed.content)

        text = '{"b":"<é>","a":12345678901234567890,"c":1.50}'
        ran = await go.post("/v1/executions", content=f'{{"skill":"go-echo","input":{text}}}')
        assert ran.status_code == 200
        assert f'"output":{text}' in ran.text
        path = f"/v1/executions/{ran.json()['execution_id']}"

        for same in (
            *("/v1/skills", "/v1/skills/go-echo", "/v1/skills/go-echo?page_size=1"),
            *(f"/v1/skills/go-echo/{rest}" for rest in ("latest", "1.0.0/archive", "1.0.0/files")),
            "/v1/skills/go-echo/latest/files/scripts/main.py",
            *("/v1/executions", "/v1/executions?page_size=1", f"{path}/logs", f"{path}/events"),
            f"{path}/logs?follow=true",
        ):
            theirs, ours = [await http.get(same) for http in (envoy, go)]
            assert ours.status_code == 200
            assert ours.content == theirs.content
            assert ours.headers["content-type"] == theirs.headers["content-type"]

        theirs, ours = [await http.get(path) for http in (envoy, go)]
        assert without_url(ours) == without_url(theirs)
        async with httpx.AsyncClient(trust_env=False) as nobody:
            assert (await nobody.get(ours.json()["files_url"])).status_code == 200

        deleted = await go.delete("/v1/skills/go-echo/1.0.0")
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert "content-type" not in deleted.headers
        assert (await go.get("/v1/skills/go-echo/1.0.0")).status_code == 404


async def test_an_api_key_from_its_creation_to_its_end(gateway: Gateway) -> None:
    async with gateway.http() as http:
        created = await http.post("/v1/api-keys", json={"name": "<go>", "ttl": "60s"})
        assert created.status_code == 201
        assert '"name":"<go>"' in created.text
        assert ": " not in created.text
        new = created.json()
        async with gateway.http(new["secret"]) as other:
            assert (await other.get("/v1/skills")).status_code == 200
            assert (await other.get("/v1/api-keys")).status_code == 403
        revoked = await http.delete(f"/v1/api-keys/{new['api_key']['id']}")
        assert revoked.status_code == 200
        assert revoked.json()["api_key"]["revoked_at"]
        malformed = await http.post("/v1/api-keys", content=b"{]}")
    assert malformed.status_code == 400
    assert malformed.json()["message"].startswith("invalid JSON body: ")


async def test_logs_and_events_are_live_and_resume(client: Client, gateway: Gateway) -> None:
    await client.push(TICKER)
    async with gateway.http() as http:
        running = asyncio.create_task(http.post("/v1/executions", json={"skill": "ticker"}))
        execution = await until(lambda: running_execution(http, "ticker"))
        loop = asyncio.get_running_loop()
        arrivals = []
        async with http.stream("GET", f"/v1/executions/{execution}/logs?follow=true") as logs:
            async for line in logs.aiter_lines():
                assert line.startswith("tick ")
                arrivals.append(loop.time())
        assert len(arrivals) == TICKS
        # They came one by one, not all at the end.
        assert arrivals[-1] - arrivals[1] > TICK_S / 2
        assert (await running).json()["status"] == "success"

        path = f"/v1/executions/{execution}/events"
        whole = (await http.get(path)).text.split("\n\n")
        rest = await http.get(path, headers={"Last-Event-ID": "2"})
        assert rest.text.split("\n\n") == whole[2:]
        bad = await http.get(path, headers={"Last-Event-ID": "x"})
        assert bad.status_code == 400


async def test_a_caller_that_leaves_cancels_its_run(client: Client, gateway: Gateway) -> None:
    await client.push(SLEEPER)
    async with gateway.http() as http:
        running = asyncio.create_task(http.post("/v1/executions", json={"skill": "sleeper"}))
        execution = await until(lambda: running_execution(http, "sleeper"))
        running.cancel()

        async def cancelled() -> bool:
            reply = await http.get(f"/v1/executions/{execution}")
            return bool(reply.json()["status"] == "cancelled")

        await until(cancelled)


async def test_services_that_do_not_answer_are_told(gateway_program: Path) -> None:
    dead = dict.fromkeys(("auth", "registry", "executor"), "127.0.0.1:1")
    with serve(gateway_program, dead) as gateway:
        async with gateway.http() as http:
            assert (await http.get("/health")).status_code == 200
            for path in ("/ready", "/v1/skills", "/v1/executions/x/logs"):
                reply = await http.get(path)
                assert reply.status_code == 503
                assert reply.json()["error"] == "service_unavailable"


@pytest.mark.parametrize("wrong", [["-auth", "nowhere"], ["-listen", "x"], ["extra"], ["-x"]])
def test_wrong_settings_are_told(gateway_program: Path, wrong: list[str]) -> None:
    done = subprocess.run(
        [gateway_program, *wrong], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 2
    assert wrong[-1] in done.stderr


async def running_execution(http: httpx.AsyncClient, name: str) -> str:
    reply = await http.get("/v1/executions", params={"skill": name, "status": "running"})
    return next((str(item["execution_id"]) for item in reply.json()["executions"]), "")


def without_url(reply: httpx.Response) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(reply.content)
    assert record.pop("files_url")
    return record


def with_ballast(archive: bytes, size: int) -> bytes:
    """Returns a skill with a file that does not compress."""
    buffer = io.BytesIO(archive)
    with zipfile.ZipFile(buffer, "a") as out:
        out.writestr("assets/ballast", os.urandom(size))
    return buffer.getvalue()
