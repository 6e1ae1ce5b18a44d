"""Packages of skills in a whole stack that may use an index."""

import io
import tempfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
from aiodocker import Docker

from skillbox_executor.sandbox.docker_body import volume_name
from tests.e2e.stack import DOCKER_HOST, Client, Stack
from tests.e2e.waiting import until
from tests.support.packages import Index, serve_index, wheel

SKILL_MD = '---\nname: {}\nversion: "1.0.0"\ndescription: Greets.\n---\nHello.\n'
MAIN = """
import json, os, greeting
json.dump(greeting.ANSWER, open(os.environ["SANDBOX_OUTPUT"], "w"))
"""


@pytest.fixture(
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
    ]
)
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Client, Index]]:
    """A stack of its own and the index that it may use."""
    host = "127.0.0.1"
    async with Docker(DOCKER_HOST) as docker:
        if request.param == "docker":
            bridge = await (await docker.networks.get("bridge")).show()
            host = bridge["IPAM"]["Config"][0]["Gateway"]
        with (
            serve_index(host) as index,
            tempfile.TemporaryDirectory(prefix="skillbox-e2e-") as name,
        ):
            env = {"SKILLBOX_DEPENDENCIES": "on", "SKILLBOX_PIP_INDEX_URL": index.simple}
            stack = Stack(Path(name, "data"), request.param, env=env)
            try:
                yield stack.start(), index
            finally:
                done = stack.down()
            assert done.returncode == 0, done.stderr
            assert not await stack.containers()
            await _remove_volumes(docker, (stack.data_dir / "executor-id").read_text().strip())


async def _remove_volumes(docker: Docker, owner: str) -> None:
    """Removes the sets that an engine keeps for the next start of a stack."""
    prefix = volume_name(owner, "")
    found = await docker.volumes.list(filters={"name": prefix})  # type: ignore[no-untyped-call] # aiodocker's
    for volume in found["Volumes"] or ():
        kept = await docker.volumes.get(volume["Name"])  # type: ignore[no-untyped-call] # aiodocker's
        await kept.delete()


def archive(name: str, requirements: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("SKILL.md", SKILL_MD.format(name))
        packed.writestr("main.py", MAIN)
        packed.writestr("requirements.txt", requirements)
    return out.getvalue()


async def upload(http: httpx.AsyncClient, name: str, requirements: bytes) -> None:
    content = archive(name, requirements)
    headers = {"Content-Type": "application/zip"}
    reply = await http.post("/v1/skills", content=content, headers=headers)
    assert reply.status_code == 201, reply.text


async def test_packages_are_installed_at_upload_and_shared(stack: tuple[Client, Index]) -> None:
    client, index = stack
    index.add_wheel(*wheel("greeting"))
    async with client.http() as http:

        async def status(name: str) -> dict[str, str]:
            found = (await http.get(f"/v1/skills/{name}/latest")).json()["dependencies"]
            assert isinstance(found, dict)
            return found

        async def run(name: str) -> dict[str, object]:
            reply = await http.post("/v1/executions", json={"skill": name})
            assert reply.status_code == 200, reply.text
            result = reply.json()
            assert isinstance(result, dict)
            return result

        await upload(http, "one", b"greeting==1.0\n")

        async def ready() -> bool:
            return (await status("one"))["status"] == "ready"

        await until(ready, 60)
        asked = len(index.asked)
        await upload(http, "two", b"# the same\nGreeting == 1.0\n")
        for name in ("one", "two"):
            result = await run(name)
            assert (result["status"], result["output"]) == ("success", "greeting 1.0"), result
        assert len(index.asked) == asked

        async def warm() -> bool:
            execution_id = (await run("one"))["execution_id"]
            sandbox = (await http.get(f"/v1/executions/{execution_id}")).json()["sandbox"]
            return bool(sandbox["start"] == "warm")

        await until(warm, 60)

        await upload(http, "three", b"greeting==7.0\n")
        result = await run("three")
        assert (result["status"], result["reason"]) == ("failed", "DEPENDENCY_FAILED")
        assert "No matching distribution found for greeting==7.0" in str(result["error"])

        async def failed() -> bool:
            return (await status("three"))["status"] == "failed"

        await until(failed, 60)
        assert "greeting==7.0" in (await status("three"))["error"]


async def test_what_was_cut_off_begins_again(stack: tuple[Client, Index]) -> None:
    client, index = stack
    async with client.http() as http:
        for service in ("executor", "registry"):
            index.go.clear()
            index.asked.clear()
            index.add_wheel(*wheel(service))
            await upload(http, service, f"{service}==1.0\n".encode())

            async def installing() -> bool:
                return bool(index.asked)

            await until(installing, 30)
            psutil.Process(client.stack.status()["services"][service]["pid"]).kill()
            index.go.set()

            async def ready(name: str = service) -> bool:
                reply = await http.get(f"/v1/skills/{name}/latest")
                return bool(
                    reply.status_code == 200 and reply.json()["dependencies"]["status"] == "ready"
                )

            # Nobody runs it; to look is enough.
            await until(ready, 60)
