import os
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from skillbox.cli.app import app
from tests.unit.sdk.fake_server import FakeServer, serve

Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("SKILLBOX_") or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as fake:
        yield fake


@pytest.fixture
def cli(server: FakeServer) -> Cli:
    """Runs the command line against the server."""

    def invoke(*args: str, input: str | bytes | None = None, **env: str) -> Result:  # noqa: A002 - the runner's name
        environment = {"SKILLBOX_SERVER_URL": server.url, "SKILLBOX_API_KEY": "sk-test", **env}
        return CliRunner().invoke(app, list(args), input=input, env=environment)

    return invoke
