"""Which driver is chosen, for each state that a machine can be in."""

from collections.abc import Iterable

import pytest

from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.interface import EngineUnavailable, Language
from skillbox_local import sandbox, socket_proxy
from skillbox_local.errors import LocalError
from skillbox_local.options import SandboxChoice

HOST = "unix:///run/engine.sock"
PROXY = "127.0.0.1:1"
DOCUMENTED = {"python:3.12-slim", "node:20-slim", "bash:5"}
BUILT = {"skillbox/python", "skillbox/node", "skillbox/bash"}


class Machine:
    """What works here, in place of an engine and bubblewrap."""

    def __init__(self) -> None:
        self.docker = True
        self.bubblewrap = True
        self.images = set(BUILT)
        self.host = HOST

    async def check(self, name: str, host: str) -> None:
        if not getattr(self, name):
            raise EngineUnavailable(f"{name} is not there")

    async def missing(self, host: str, names: Iterable[str]) -> list[str]:
        assert host == self.host
        return [name for name in names if name not in self.images]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(sandbox, "_check", machine.check)
    monkeypatch.setattr(images, "missing", machine.missing)
    monkeypatch.setattr(socket_proxy, "_haproxy", lambda: "/usr/sbin/haproxy")
    monkeypatch.setenv("SKILLBOX_DOCKER_HOST", HOST)
    for name in ("IMAGE_ALLOWLIST", *(f"DEFAULT_IMAGE_{each.name}" for each in Language)):
        monkeypatch.delenv(f"SKILLBOX_{name}", raising=False)
    return machine


async def test_docker_where_it_works(machine: Machine) -> None:
    for choice in (SandboxChoice.AUTO, SandboxChoice.DOCKER):
        chosen = await sandbox.choose(choice)
        assert (chosen.driver, chosen.docker_host, chosen.warning) == ("docker", HOST, "")


async def test_a_proxy_stands_before_a_socket(machine: Machine) -> None:
    chosen = await sandbox.choose(SandboxChoice.DOCKER)
    assert (chosen.guarded, chosen.docker_host) == (True, HOST)
    assert chosen.env(PROXY)["SKILLBOX_DOCKER_HOST"] == f"tcp://{PROXY}"


async def test_no_proxy_is_a_warning(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_proxy, "_haproxy", str)
    chosen = await sandbox.choose(SandboxChoice.DOCKER)
    assert not chosen.guarded
    assert chosen.env(PROXY)["SKILLBOX_DOCKER_HOST"] == HOST
    assert "sandboxes are made without the socket proxy" in chosen.warning
    assert "install haproxy" in chosen.warning
    machine.images = {"skillbox/python"}
    warning = (await sandbox.choose(SandboxChoice.DOCKER)).warning
    assert warning.startswith("no image for node, bash: run `skillbox images build`; sandboxes are")


async def test_an_engine_elsewhere_is_taken_as_it_is(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.host = "tcp://engine:2375"
    monkeypatch.setenv("SKILLBOX_DOCKER_HOST", machine.host)
    chosen = await sandbox.choose(SandboxChoice.DOCKER)
    assert not chosen.guarded
    assert chosen.env(PROXY)["SKILLBOX_DOCKER_HOST"] == machine.host
    assert "the engine at tcp://engine:2375 is used without a socket proxy" in chosen.warning


async def test_bubblewrap_when_asked_for(machine: Machine) -> None:
    chosen = await sandbox.choose(SandboxChoice.BUBBLEWRAP)
    assert (chosen.driver, chosen.docker_host, chosen.note) == ("bubblewrap", "", "asked for")


async def test_bubblewrap_without_an_engine(machine: Machine) -> None:
    machine.docker = False
    chosen = await sandbox.choose(SandboxChoice.AUTO)
    assert chosen.driver == "bubblewrap"
    assert chosen.note == f"no Docker Engine at {HOST} (docker is not there)"
    assert not chosen.warning


async def test_bubblewrap_with_a_warning_without_images(machine: Machine) -> None:
    machine.images = set()
    chosen = await sandbox.choose(SandboxChoice.AUTO)
    assert chosen.driver == "bubblewrap"
    assert "has no sandbox images: run `skillbox images build`" in chosen.warning


@pytest.mark.parametrize("engine", [True, False])
async def test_docker_asked_for_is_never_replaced(machine: Machine, engine: bool) -> None:
    machine.docker, machine.images = engine, set()
    expected = "has no sandbox images: run `skillbox" if engine else f"no Docker Engine at {HOST}"
    with pytest.raises(LocalError, match=expected):
        await sandbox.choose(SandboxChoice.DOCKER)


async def test_nothing_works(machine: Machine) -> None:
    machine.docker = machine.bubblewrap = False
    with pytest.raises(LocalError) as raised:
        await sandbox.choose(SandboxChoice.AUTO)
    assert str(raised.value).splitlines() == [
        "no sandbox works here:",
        f"  docker: no Docker Engine at {HOST} (docker is not there)",
        "  bubblewrap: bubblewrap is not there",
    ]


async def test_documented_images_come_first(machine: Machine) -> None:
    machine.images = BUILT | {"python:3.12-slim"}
    chosen = await sandbox.choose(SandboxChoice.AUTO)
    assert chosen.images == {
        Language.PYTHON: "python:3.12-slim",
        Language.NODE: "skillbox/node",
        Language.BASH: "skillbox/bash",
    }
    assert chosen.env(PROXY)["SKILLBOX_DEFAULT_IMAGE_PYTHON"] == "python:3.12-slim"
    assert chosen.env(PROXY)["SKILLBOX_DEFAULT_IMAGE_NODE"] == "skillbox/node"
    assert set(chosen.env(PROXY)["SKILLBOX_IMAGE_ALLOWLIST"].split(",")) >= DOCUMENTED | BUILT


async def test_language_without_an_image_is_told(machine: Machine) -> None:
    machine.images = {"skillbox/python"}
    chosen = await sandbox.choose(SandboxChoice.DOCKER)
    assert chosen.warning == "no image for node, bash: run `skillbox images build`"
    assert "SKILLBOX_DEFAULT_IMAGE_NODE" not in chosen.env(PROXY)


async def test_settings_of_the_user_stay(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKILLBOX_DEFAULT_IMAGE_PYTHON", "own:1")
    monkeypatch.setenv("SKILLBOX_IMAGE_ALLOWLIST", "own:1")
    chosen = await sandbox.choose(SandboxChoice.AUTO)
    assert chosen.env(PROXY)["SKILLBOX_DEFAULT_IMAGE_PYTHON"] == "own:1"
    assert chosen.env(PROXY)["SKILLBOX_IMAGE_ALLOWLIST"] == "own:1"


def test_engine_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKILLBOX_DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert sandbox.docker_host() == "unix:///var/run/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://b:1")
    assert sandbox.docker_host() == "tcp://b:1"
    monkeypatch.setenv("SKILLBOX_DOCKER_HOST", "tcp://a:1")
    assert sandbox.docker_host() == "tcp://a:1"
