"""Starts the whole stack the way a user does, and looks at it from outside."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc.aio
import httpx
import psutil
from aiodocker import Docker

SKILLBOX = Path(sys.executable).with_name("skillbox")
DOCKER_HOST = (
    os.environ.get("SKILLBOX_DOCKER_HOST")
    or os.environ.get("DOCKER_HOST")
    or "unix:///var/run/docker.sock"
)
T = TypeVar("T")
API_KEY = "sk-example-test-key"
_TIMEOUT_S = 100


def skillbox(
    *args: str | Path,
    env: Mapping[str, str] | None = None,
    binary: Path = SKILLBOX,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command of the command line to its end. Settings of the caller do not count."""
    return subprocess.run(
        [binary, *args],
        env=environment(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the caller's environment with `extra` in place of its own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SKILLBOX_")}
    return {**kept, "SKILLBOX_DOCKER_HOST": DOCKER_HOST, **(extra or {})}


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Returns those that have not ended. Nobody may reap what has lost its parent."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@dataclass(frozen=True)
class Stack:
    """A stack in a data directory."""

    data_dir: Path
    sandbox: str
    binary: Path = SKILLBOX
    env: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()

    def up(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Starts it in the background; the caller looks at the exit code."""
        return skillbox(
            *("up", "--detach", "--port", "0", "--data-dir", self.data_dir),
            *("--sandbox", self.sandbox, *self.options, *options),
            env={"SKILLBOX_BOOTSTRAP_API_KEY": API_KEY, **self.env},
            binary=self.binary,
            cwd=self.data_dir.parent,
        )

    def start(self) -> "Client":
        """Starts it; fails with what it said when it does not start."""
        done = self.up()
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.logs()}"
        return Client(self, self.status()["url"])

    def down(self) -> subprocess.CompletedProcess[str]:
        return skillbox("down", "--data-dir", self.data_dir, binary=self.binary)

    def status(self) -> dict[str, Any]:
        """Returns `status -o json`."""
        done = skillbox("status", "-o", "json", "--data-dir", self.data_dir, binary=self.binary)
        status: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if status["state"] == "running" else 1)
        return status

    def logs(self) -> str:
        """Returns the end of every log."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}"
            for log in sorted((self.data_dir / "logs").glob("*.log"))
        )

    def processes(self) -> list[psutil.Process]:
        """Returns the supervisor and all that descends from it."""
        supervisor = psutil.Process(int((self.data_dir / "lock").read_text()))
        return [supervisor, *supervisor.children(recursive=True)]

    def command_lines(self) -> list[list[str]]:
        """Returns those of all processes that have not ended meanwhile, as boxes do."""
        return [*_read(self.processes(), psutil.Process.cmdline)]

    def _environments(self) -> Iterator[dict[str, str]]:
        return _read(self.processes(), psutil.Process.environ)

    def dsn(self) -> str:
        """Returns the address of the database, which the services are told."""
        return next(filter(None, (each.get("SKILLBOX_DB_DSN") for each in self._environments())))

    async def containers(self) -> list[str]:
        """Returns the ids of the boxes of this stack that the engine has, in any state."""
        owner = (self.data_dir / "executor-id").read_text().strip()
        async with Docker(DOCKER_HOST) as docker:
            found = await docker.containers.list(
                all=True, filters={"label": [f"skillbox.owner={owner}"]}
            )
        return [container.id for container in found]

    async def boxes(self) -> set[str]:
        """Returns the ids of this stack's boxes, used or waiting for their first run."""
        if self.sandbox == "docker":
            return set(await self.containers())
        found = set()
        for environment in self._environments():
            owner, _, box = environment.get("SKILLBOX_BOX", "").partition("/")
            found |= {box} if owner else set()
        return found


def _read(processes: Iterable[psutil.Process], what: Callable[[psutil.Process], T]) -> Iterator[T]:
    for process in processes:
        with suppress(psutil.Error):
            yield what(process)


@dataclass(frozen=True)
class Client:
    """Talks to a running stack in all the ways there are."""

    stack: Stack
    url: str

    def cli(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs a command against this stack."""
        return skillbox(*args, env=self.env, binary=self.stack.binary, cwd=self.stack.data_dir)

    def cli_ok(self, *args: str | Path) -> str:
        """Runs a command that has to succeed; returns its stdout."""
        done = self.cli(*args)
        assert done.returncode == 0, f"{args}: {done.stdout}\n{done.stderr}\n{self.stack.logs()}"
        return done.stdout

    @property
    def env(self) -> dict[str, str]:
        return {"SKILLBOX_SERVER_URL": self.url, "SKILLBOX_API_KEY": API_KEY}

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {API_KEY}"},
            timeout=60,
            trust_env=False,
        )

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        options = [("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(urlsplit(self.url).netloc, options) as channel:
            yield channel

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {API_KEY}")]

    async def push(self, archive: bytes) -> None:
        """Uploads a skill."""
        async with self.http() as http:
            reply = await http.post(
                "/v1/skills", content=archive, headers={"Content-Type": "application/zip"}
            )
        assert reply.status_code == 201, reply.text

    async def run(self, skill: str, **body: object) -> dict[str, Any]:
        """Runs a skill over REST and returns its RunResult."""
        async with self.http() as http:
            reply = await http.post("/v1/executions", json={"skill": skill, **body})
        assert reply.status_code == 200, reply.text
        result: dict[str, Any] = reply.json()
        return result

    async def running(self, skill: str) -> str:
        """Returns the id of the newest run of a skill that goes on, or nothing."""
        async with self.http() as http:
            reply = await http.get(f"/v1/executions?status=running&skill={skill}")
        executions = reply.json()["executions"]
        return str(executions[0]["execution_id"]) if executions else ""

    async def record(self, execution_id: str) -> dict[str, Any]:
        """Returns the record of an execution."""
        async with self.http() as http:
            reply = await http.get(f"/v1/executions/{execution_id}")
        record: dict[str, Any] = reply.json()
        return record

    async def used_boxes(self) -> set[str]:
        """Returns the ids of the boxes of the newest runs, whatever became of them."""
        async with self.http() as http:
            page = (await http.get("/v1/executions?page_size=25")).json()
        records = [await self.record(each["execution_id"]) for each in page["executions"]]
        return {record["sandbox"]["id"] for record in records if "sandbox" in record}
