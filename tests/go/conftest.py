"""The stack, and the gateway in Go beside its Envoy."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Client, Stack
from tests.go.gateway import Gateway, serve
from tools import golang


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """A client of a running stack; data is shared by all tests of the session."""
    with tempfile.TemporaryDirectory(prefix="skillbox-go-") as name:
        stack = Stack(Path(name, "data"), "bubblewrap")
        try:
            stack.start()
            yield Client(stack, stack.status()["url"])
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def gateway_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway, built. Where its modules cannot be reached, its tests are skipped."""
    try:
        return golang.build_gateway(tmp_path_factory.mktemp("gateway"))
    except golang.ModulesUnreachable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def gateway(client: Client, gateway_program: Path) -> Iterator[Gateway]:
    """The gateway, in front of the services of `client`."""
    with serve(gateway_program, service_addresses(client.stack)) as gateway:
        yield gateway


def service_addresses(stack: Stack) -> dict[str, str]:
    """Returns where the services say that they listen."""
    found = {}
    for name in ("auth", "registry", "executor"):
        for line in (stack.data_dir / "logs" / f"{name}.log").read_text().splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") == "listening":
                found[name] = entry["address"]
    return found
