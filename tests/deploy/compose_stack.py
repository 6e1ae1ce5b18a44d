"""The stack of deploy/compose, started as the documentation says, and looked at from outside."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiodocker import Docker

from skillbox_executor.sandbox.docker_body import volume_name
from tests.e2e.stack import API_KEY, DOCKER_HOST, Stack, environment

ROOT = Path(__file__).resolve().parents[2]
_PROJECT_LABEL = "com.docker.compose.project"
_SERVICE_LABEL = "com.docker.compose.service"
# From nothing it makes base images, fetches wheels and builds.
_BUILD_S = 540


@dataclass(frozen=True)
class ComposeStack(Stack):
    """A stack with a name of its own; secrets and settings are in its data directory.

    Attributes:
        command: Of Compose; empty for the one that `deploy/compose/compose` chooses.
    """

    project: str = ""
    port: int = 0
    command: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secrets(self) -> Path:
        return self.data_dir / "secrets"

    def environment(self) -> dict[str, str]:
        return environment(
            {
                "DOCKER_HOST": DOCKER_HOST,
                "COMPOSE_PROJECT_NAME": self.project,
                "SKILLBOX_ENV_FILE": str(self.data_dir / ".env"),
                "SKILLBOX_API_PORT": str(self.port),
                "SKILLBOX_IMAGES": "skillbox-test",
                "SKILLBOX_COMPOSE": self.command,
                # No test waits long for runs that are to be cut off; short ones are to end.
                "SKILLBOX_SHUTDOWN_GRACE": "20",
            }
        )

    def typed(self, *command: str | Path, **variables: str) -> str:
        """Runs a command in the root of the repository; it has to succeed. Returns stdout."""
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**self.environment(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_BUILD_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def compose(self, *arguments: str, **variables: str) -> str:
        return self.typed("deploy/compose/compose", *arguments, **variables)

    def choose_key(self) -> None:
        """Puts the key of the tests where the first key will be made; that is then kept."""
        self.secrets.mkdir(mode=0o700, parents=True)
        key = self.secrets / "api_key"
        key.write_text(f"{API_KEY}\n")
        key.chmod(0o400)
        if os.geteuid() == 0:
            os.chown(key, 65532, 65532)

    def configure(self, *lines: str) -> None:
        """Adds settings of the services."""
        with (self.data_dir / "settings.env").open("a") as settings:
            settings.writelines(f"{line}\n" for line in lines)

    def remove(self) -> None:
        self.typed("make", "compose-down", "ARGS=--volumes")

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "20")

    async def inspect(self) -> dict[str, list[dict[str, Any]]]:
        """Returns what the engine says of each container, by service; one-shot ones, too."""
        found: dict[str, list[dict[str, Any]]] = {}
        async with Docker(DOCKER_HOST) as docker:
            for container in await docker.containers.list(all=True, filters=self._own()):
                shown = await container.show()
                service = shown["Config"]["Labels"][_SERVICE_LABEL]
                found.setdefault(service, []).append(shown)
        return found

    async def networks(self) -> dict[str, dict[str, Any]]:
        """Returns the networks by their short names."""
        async with Docker(DOCKER_HOST) as docker:
            found = await docker.networks.list(filters=self._own())
        return {each["Name"].removeprefix(f"{self.project}_"): each for each in found}

    async def remains(self) -> list[str]:
        """Returns the names of all that the engine has of this stack, and of its Executors."""
        async with Docker(DOCKER_HOST) as docker:
            containers = await docker.containers.list(all=True, filters=self._own())
            networks = await docker.networks.list(filters=self._own())
            # aiodocker has no types for this one.
            volumes = await docker.volumes.list(filters=self._own())  # type: ignore[no-untyped-call]
            packages = await docker.volumes.list(  # type: ignore[no-untyped-call]
                filters={"name": [volume_name(self.project, "")]}
            )
        return [
            *(container.id for container in containers),
            *(network["Name"] for network in networks),
            *(volume["Name"] for volume in volumes["Volumes"] or ()),
            *(volume["Name"] for volume in packages["Volumes"] or ()),
            *await self.containers(),
        ]

    async def owners(self) -> set[str]:
        """Returns who has boxes, used or waiting: an id for each Executor."""
        return {owner for owner, _ in await self._boxes()}

    async def containers(self) -> list[str]:
        return [box for _, box in await self._boxes()]

    async def _boxes(self) -> list[tuple[str, str]]:
        async with Docker(DOCKER_HOST) as docker:
            found = await docker.containers.list(
                all=True, filters={"label": ["managed-by=skillbox"]}
            )
        boxes = [(each["Labels"].get("skillbox.owner", ""), each.id) for each in found]
        return [box for box in boxes if box[0].startswith(f"{self.project}/")]

    def _own(self) -> dict[str, list[str]]:
        return {"label": [f"{_PROJECT_LABEL}={self.project}"]}


def environment_of(container: dict[str, Any]) -> str:
    """Returns all that anybody who may inspect a container reads of its settings."""
    return json.dumps([container["Config"], container["HostConfig"], container["Args"]])
