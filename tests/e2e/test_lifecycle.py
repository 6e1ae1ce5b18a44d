"""Starting, stopping and failing of the stack itself."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e import skills
from tests.e2e.stack import API_KEY, SKILLBOX, Client, Stack, alive, environment, skillbox
from tests.e2e.waiting import until

SERVICES = ["postgres", "s3", "gateway", "auth", "registry", "executor"]


@pytest.fixture
async def stack(folder: Path) -> AsyncIterator[Stack]:
    """A stack that the test starts, and that is stopped whatever it did."""
    stack = Stack(folder / "data", "bubblewrap")
    yield stack
    stack.down()


def test_status(client: Client) -> None:
    status = client.stack.status()
    services = status.pop("services")
    assert status == {
        "state": "running",
        "url": client.url,
        "data_dir": str(client.stack.data_dir),
        "sandbox": client.stack.sandbox,
        "docker_host": status["docker_host"] if client.stack.sandbox == "docker" else "",
        "api_key_file": str(client.stack.data_dir / "api-key"),
    }
    # Numbered where there are several.
    names = [name.removesuffix("-1") for name in services if not name.endswith("-2")]
    guarded = ["socket-proxy"] if client.stack.sandbox == "docker" else []
    assert names == [*SERVICES[:3], *guarded, *SERVICES[3:]]
    for service in services.values():
        assert service["state"] == "running"
        assert psutil.pid_exists(service["pid"])
        assert service["restarts"] == 0


async def test_services_go_before_boxes(client: Client) -> None:
    # As far as this user may say so.
    told = await asyncio.to_thread(subprocess.check_output, ["nice", "-n", "-10", "nice"])
    services = client.stack.status()["services"].values()
    assert {psutil.Process(each["pid"]).nice() for each in services} == {int(told)}
    await client.push(skills.skill("niceness", "main.py", "import os; print(os.nice(0))"))
    assert (await client.run("niceness"))["logs"] == "0\n"


def test_status_and_down_without_a_stack(stack: Stack) -> None:
    assert stack.status() == {"state": "stopped", "data_dir": str(stack.data_dir), "services": {}}
    done = stack.down()
    assert done.returncode == 0
    assert f"no Skillbox runs in {stack.data_dir}" in done.stderr


def test_no_secret_in_a_command_line(client: Client) -> None:
    data = client.stack.data_dir
    secrets = [(data / name).read_text().strip() for name in ("s3-secret-key", "api-key")]
    lines = client.stack.command_lines()
    assert len(lines) > len(SERVICES)
    for line in lines:
        assert not [secret for secret in secrets if secret in " ".join(line)]


def test_second_supervisor(client: Client) -> None:
    done = client.stack.up()
    assert done.returncode == 1
    assert "is in use by a running Skillbox (pid" in done.stderr


def test_port_taken(stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = stack.up("--port", str(port))
    assert done.returncode == 1
    assert f"Error: port {port} of 127.0.0.1 is taken by " in done.stderr
    assert f"(pid {os.getpid()}): choose another with --port" in done.stderr
    assert stack.status()["state"] == "stopped"


def test_service_that_cannot_start(folder: Path) -> None:
    stack = Stack(folder / "data", "bubblewrap", env={"SKILLBOX_MAX_TIMEOUT": "soon"})
    done = stack.up()
    assert done.returncode == 1
    assert "Error: executor ended with exit code 2; the end of " in done.stderr
    assert "SKILLBOX_MAX_TIMEOUT='soon'" in done.stderr
    assert stack.status()["state"] == "stopped"


def test_no_engine(folder: Path) -> None:
    host = f"unix://{folder}/none.sock"
    env = {"SKILLBOX_DOCKER_HOST": host}
    done = Stack(folder / "data", "docker", env=env).up()
    assert done.returncode == 1
    assert f"Error: no Docker Engine at {host}" in done.stderr

    stack = Stack(folder / "data", "auto", env=env)
    try:
        done = stack.up()
        assert done.returncode == 0, done.stderr
        assert f"bubblewrap (no Docker Engine at {host}" in done.stdout
        assert stack.status()["sandbox"] == "bubblewrap"
    finally:
        stack.down()


def test_results_as_json(stack: Stack) -> None:
    up = stack.up("-o", "json")
    assert up.returncode == 0, up.stderr
    assert json.loads(up.stdout) == stack.status()
    down = skillbox("down", "-o", "json", "--data-dir", stack.data_dir)
    assert json.loads(down.stdout) == {"data_dir": str(stack.data_dir), "stopped": True}
    again = skillbox("down", "-o", "json", "--data-dir", stack.data_dir)
    assert json.loads(again.stdout)["stopped"] is False


async def test_long_data_directory(folder: Path) -> None:
    """The path of a Unix socket is short; that of a directory need not be."""
    deep = folder / ("long" * 20) / ("er" * 20)
    deep.mkdir(parents=True)
    stack = Stack(deep / "data", "bubblewrap")
    try:
        stack.start()
    finally:
        assert stack.down().returncode == 0


@asynccontextmanager
async def foreground(stack: Stack) -> AsyncIterator[tuple[Process, Client]]:
    """Runs `skillbox up` as a terminal does, with a skill that goes on for a minute."""
    process = await asyncio.create_subprocess_exec(
        *(SKILLBOX, "up", "--port", "0", "--data-dir", stack.data_dir),
        *("--sandbox", stack.sandbox),
        env=environment({"SKILLBOX_BOOTSTRAP_API_KEY": API_KEY}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout
        first = (await process.stdout.readline()).decode()
        assert first.startswith("Skillbox is ready at http://127.0.0.1:"), stack.logs()
        client = Client(stack, first.split()[-1])
        await client.push(skills.SLEEPER)
        run = asyncio.create_task(client.run("sleeper"))
        await until(lambda: client.running("sleeper"))
        yield process, client
        await asyncio.wait({run})
        assert run.exception() or run.result()["status"] != "success"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize(
    ("driver", "number"),
    [
        pytest.param("docker", signal.SIGTERM, marks=pytest.mark.docker),
        pytest.param("bubblewrap", signal.SIGINT, marks=pytest.mark.bubblewrap),
    ],
)
async def test_a_signal_leaves_nothing(folder: Path, driver: str, number: signal.Signals) -> None:
    stack = Stack(folder / "data", driver)
    async with foreground(stack) as (process, _):
        processes = stack.processes()
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        assert not alive(processes)
        assert not await stack.containers()


@pytest.mark.docker
async def test_second_signal_forces(folder: Path) -> None:
    stack = Stack(folder / "data", "docker")
    async with foreground(stack) as (process, _):
        processes = stack.processes()
        # It will not stop by itself, nor remove its boxes.
        os.kill(stack.status()["services"]["executor"]["pid"], signal.SIGSTOP)
        process.terminate()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 1)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0

        async def gone() -> bool:
            return not alive(processes)

        await until(gone)  # those of Postgres end by themselves, after their parent
        assert not await stack.containers()


async def test_what_crashes_is_restarted(stack: Stack) -> None:
    client = stack.start()
    await client.push(skills.PYTHON)
    for name in ("postgres", "executor"):
        os.kill(stack.status()["services"][name]["pid"], signal.SIGKILL)

    async def healed() -> bool:
        services = stack.status()["services"]
        crashed = [services[name] for name in ("postgres", "executor")]
        async with client.http() as http:
            ready = (await http.get("/ready")).status_code == 200
        return ready and all(
            service["state"] == "running" and service["restarts"] >= 1 for service in crashed
        )

    await until(healed, 30)
    assert (await client.run("python-square", input={"value": 3}))["output"] == {"square": 9}


async def test_start_after_the_supervisor_was_killed(stack: Stack) -> None:
    stack.start()
    processes = stack.processes()
    processes[0].kill()
    # At once: the next start has to cope with what is still ending.
    stack.start()
    assert not alive(processes)
    status = stack.status()
    assert {service["state"] for service in status["services"].values()} == {"running"}
