"""All that is optional, switched on in a stack of its own: Redis, traces, packages.

It is started with the version of Compose that the other tests do not use, where there are two, and
ends with nothing left.
"""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.deploy import stand_ins
from tests.deploy.compose_stack import ComposeStack
from tests.deploy.test_lockdown import check_locked_down
from tests.deploy.versions import commands
from tests.e2e.quick_start import check_history, five_commands
from tests.e2e.skills import archive
from tests.e2e.stack import Client
from tests.e2e.waiting import until
from tests.support.packages import wheel
from tests.support.parts import free_port

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

REDIS, COLLECTOR = "skillbox-test/redis", "skillbox-test/collector"
ENV = (
    "COMPOSE_PROFILES=redis,tracing",
    f"SKILLBOX_REDIS_IMAGE={REDIS}",
    f"SKILLBOX_OTEL_IMAGE={COLLECTOR}",
    f"SKILLBOX_JAEGER_IMAGE={COLLECTOR}",
)
SETTINGS = (
    "SKILLBOX_REDIS_URL_FILE=/run/secrets/redis_url",
    "SKILLBOX_CACHE_SECRET_FILE=/run/secrets/cache_secret",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector:4317",
    "OTEL_BSP_SCHEDULE_DELAY=200",
    "SKILLBOX_OTLP_ADDRESS=otel-collector:4317",
)
HITS = (
    "import redis\n"
    "url = open('/run/secrets/redis_url').read().strip()\n"
    "print(redis.Redis.from_url(url).info('stats')['keyspace_hits'])\n"
)
PACKAGED = archive(
    {
        "SKILL.md": "---\nname: packaged\ndescription: For a test.\n---\nDo it.\n",
        "main.py": "import greeting; print(greeting.ANSWER)",
        "requirements.txt": "greeting",
        "wheels/{}".format(wheel("greeting")[0]): wheel("greeting")[1],
    }
)


@pytest.fixture(scope="module")
async def full(stack: ComposeStack) -> AsyncIterator[ComposeStack]:
    """The stack, made of the images of the other one."""
    default, *others = commands().values()
    with tempfile.TemporaryDirectory(prefix="skillbox-compose-") as name:
        made = ComposeStack(
            Path(name),
            "docker",
            project=f"skillbox-test-{secrets.token_hex(4)}",
            port=free_port(),
            command=others[0] if others else default,
        )
        print(f"with all profiles: {made.command}", file=sys.stderr)
        made.choose_key()
        stand_ins.build_redis(REDIS)
        stand_ins.build_collector(COLLECTOR)
        from_debian = "SKILLBOX_PIP_NO_INDEX=1" in (stack.data_dir / ".env").read_text()
        made.typed("deploy/compose/init", *(["--debian"] if from_debian else []))
        with (made.data_dir / ".env").open("a") as env:
            env.writelines(f"{line}\n" for line in (*ENV, f"SKILLBOX_JAEGER_PORT={free_port()}"))
        made.configure(*SETTINGS)
        try:
            yield made
        finally:
            made.remove()
        assert not await made.remains()


async def test_everything_is_used_and_kept(full: ComposeStack) -> None:
    await _up(full)
    client = Client(full, full.url)
    execution_id = await asyncio.to_thread(five_commands, client)
    await _check_containers(full)
    # A span that a collector does not take within a second is lost: another run shows it then.
    await until(lambda: _traced(full, client), 60)
    hits = await asyncio.to_thread(full.compose, "exec", "-T", "executor", "python", "-c", HITS)
    assert int(hits) > 0
    # Its packages are kept in a volume of the engine's, which no file of Compose names.
    await client.push(PACKAGED)
    assert (await client.run("packaged"))["logs"] == "greeting 1.0\n"
    client.cli_ok("skill", "delete", "packaged", "1.0.0")

    await asyncio.to_thread(full.typed, "make", "compose-down")
    assert not await full.inspect()
    assert not await full.networks()
    assert len(await full.remains()) == len({"postgres", "objects", "packages"})
    await _up(full)
    await asyncio.to_thread(check_history, client, execution_id)


async def _up(stack: ComposeStack) -> None:
    await asyncio.to_thread(stack.compose, "up", "--detach")

    async def ready() -> bool:
        async with Client(stack, stack.url).http() as http:
            try:
                return (await http.get("/ready")).status_code == 200
            except httpx.TransportError:  # the engine listens before the gateway does
                return False

    await until(ready, 60)


async def _check_containers(stack: ComposeStack) -> None:
    containers = await stack.inspect()
    for service in ("redis", "otel-collector", "jaeger"):
        (container,) = containers[service]
        check_locked_down(service, container)
        published = (container["HostConfig"]["PortBindings"] or {}).values()
        assert {each["HostIp"] for ports in published for each in ports} <= {"127.0.0.1"}
        networks = container["NetworkSettings"]["Networks"]
        assert {name.removeprefix(f"{stack.project}_") for name in networks} == {
            "redis": {"cache"},
            "otel-collector": {"services"},
            "jaeger": {"services", "traces"},
        }[service]


async def _traced(stack: ComposeStack, client: Client) -> bool:
    trace = secrets.token_hex(16)
    async with client.http() as http:
        reply = await http.post(
            "/v1/executions",
            json={"skill": "data-analysis", "input": {"data": [1]}},
            headers={"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"},
        )
    assert reply.json()["status"] == "success", reply.text

    async def services() -> bool:
        """They went to the collector, which has passed them on."""
        lines = await asyncio.to_thread(stack.compose, "logs", "--no-color", "jaeger")
        return {"skillbox-gateway", "skillbox-registry", "skillbox-executor"} <= {
            line.split()[-2] for line in lines.splitlines() if line.endswith(trace)
        }

    try:
        return await until(services, 20)
    except AssertionError:
        return False


@pytest.mark.parametrize("major", [1, 2])
def test_both_versions_read_the_files(stack: ComposeStack, major: int) -> None:
    if major not in commands():
        pytest.skip(f"Docker Compose v{major} is not here; `make compose-v2` builds v2")
    listed = stack.compose(
        *("--profile", "tools", "--profile", "redis", "--profile", "tracing"),
        *("config", "--services"),
        SKILLBOX_COMPOSE=commands()[major],
        SKILLBOX_COMPOSE_OVERLAYS="deploy/compose/tls.yaml examples/docker-compose.yml",
    )
    assert {"executor", "cli", "redis", "jaeger", "otel-collector", "tls", "examples"} <= set(
        listed.split()
    )
