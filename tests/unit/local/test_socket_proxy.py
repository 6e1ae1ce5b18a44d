"""What the stack's socket proxy lets through: what its Executor was told it may make."""

from pathlib import Path

import pytest

from skillbox_executor.sandbox import docker_body
from skillbox_local import socket_proxy
from skillbox_local.data_dir import DataDir
from skillbox_local.errors import LocalError
from skillbox_local.process import Program
from skillbox_local.socket_proxy import obstacle, socket_proxies

HOST = "unix:///run/engine.sock"
ENV = {
    "SKILLBOX_DB_DSN": "x",
    "SKILLBOX_S3_ENDPOINT": "x",
    "SKILLBOX_S3_ACCESS_KEY": "x",
    "SKILLBOX_S3_SECRET_KEY": "secret",
    "SKILLBOX_EXECUTOR_ID": "mine",
    "SKILLBOX_DOCKER_HOST": "tcp://127.0.0.1:7",
    "SKILLBOX_IMAGE_ALLOWLIST": "own:1, own:2",
    "SKILLBOX_MAX_MEMORY": "300Mi",
    "SKILLBOX_MAX_CPU": "3",
    "SKILLBOX_MAX_TIMEOUT": "2m",
    "SKILLBOX_OCI_RUNTIMES": "runsc",
    "SKILLBOX_RUNTIME_POLICY": "a/*=kata",
    "SKILLBOX_DEFAULT_IMAGE_BASH": "",
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDir:
    monkeypatch.setattr(socket_proxy, "_haproxy", lambda: "/usr/sbin/haproxy")
    data = DataDir(tmp_path)
    data.create()
    return data


def programs(*names: str, **env: str) -> list[Program]:
    return [Program(name, [], {**ENV, **env}) for name in names]


def test_its_rules_are_the_settings_of_the_executor(data: DataDir) -> None:
    (proxy,) = socket_proxies(programs("auth", "registry", "executor"), HOST, data)
    folder = data.root / "socket-proxy"
    assert proxy.name == "socket-proxy"
    assert list(proxy.argv) == ["/usr/sbin/haproxy", "-dR", "-db", "-f", folder / "haproxy.cfg"]
    assert "secret" not in proxy.env.values()

    config = (folder / "haproxy.cfg").read_text()
    assert "bind 127.0.0.1:7\n" in config
    assert "unix@/run/engine.sock" in config
    assert "timeout tunnel 3720s" in config
    bodies = (folder / "bodies.lst").read_text()
    for text in ("(?:own:1|own:2)", "(?:runc|runsc|kata)", '"skillbox\\.owner": "mine"'):
        assert text in bodies
    assert "314572800" in bodies
    assert "3000000000" in bodies
    assert docker_body.name_prefix("mine") in (folder / "requests.lst").read_text()


def test_each_executor_has_its_own(data: DataDir) -> None:
    first, second = socket_proxies(programs("executor-1", "executor-2"), HOST, data)
    assert (first.name, second.name) == ("socket-proxy-1", "socket-proxy-2")
    assert first.argv[-1] != second.argv[-1]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"SKILLBOX_MAX_TIMEOUT": "soon"}, "the Executor cannot be configured: max_timeout: "),
        ({"SKILLBOX_IMAGE_ALLOWLIST": "a b"}, "the socket proxy cannot be configured: images: "),
    ],
)
def test_settings_that_are_not_valid(data: DataDir, env: dict[str, str], expected: str) -> None:
    with pytest.raises(LocalError, match=expected):
        socket_proxies(programs("executor", **env), HOST, data)


def test_a_proxy_that_the_system_keeps_for_root_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "haproxy").touch(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(socket_proxy, "_SYSTEM_PATH", "/nowhere")
    assert "install haproxy" in obstacle(HOST)
    monkeypatch.setattr(socket_proxy, "_SYSTEM_PATH", str(tmp_path))
    assert obstacle(HOST) == ""
