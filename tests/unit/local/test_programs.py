from pathlib import Path

import pytest

from skillbox_local import programs
from skillbox_local.data_dir import DataDir
from skillbox_local.errors import LocalError
from skillbox_local.ports import Address
from skillbox_local.process import Program
from skillbox_local.programs import Addresses

ADDRESSES = Addresses("127.0.0.1:1", ["127.0.0.1:2"], ["127.0.0.1:3"], ["127.0.0.1:4"], [])
KEY = "sk-example-test-key"
ENGINE = "unix:///run/engine.sock"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDir:
    monkeypatch.setenv("SKILLBOX_API_KEY", KEY)
    monkeypatch.setenv("SKILLBOX_BOOTSTRAP_API_KEY", KEY)
    monkeypatch.setenv("SKILLBOX_MAX_TIMEOUT", "1m")
    monkeypatch.setenv("SKILLBOX_DOCKER_HOST", ENGINE)
    monkeypatch.setenv("DOCKER_HOST", ENGINE)
    data = DataDir(tmp_path)
    data.create()
    return data


def services(data: DataDir) -> dict[str, Program]:
    found = programs.services(data, ADDRESSES, "postgresql://x", [{"SKILLBOX_SANDBOX": "docker"}])
    return {program.name: program for program in found}


def test_services_know_each_other(data: DataDir) -> None:
    found = services(data)
    assert list(found) == ["auth", "registry", "executor"]
    for program in found.values():
        assert program.env["SKILLBOX_DB_DSN"] == "postgresql://x"
        assert program.env["SKILLBOX_S3_ENDPOINT"] == ADDRESSES.s3
        assert program.env["SKILLBOX_AUTH_ADDRESS"] == "127.0.0.1:2"
        assert program.env["SKILLBOX_REGISTRY_ADDRESS"] == "127.0.0.1:3"
        assert program.env["SKILLBOX_LISTEN"] in getattr(ADDRESSES, program.name)
        assert program.env["SKILLBOX_MAX_TIMEOUT"] == "1m"
    assert found["executor"].env["SKILLBOX_SANDBOX"] == "docker"
    assert found["executor"].env["SKILLBOX_EXECUTOR_ID"] == data.executor_id()


def test_only_auth_gets_the_key_and_from_a_file(data: DataDir) -> None:
    found = services(data)
    for program in found.values():
        assert KEY not in program.env.values()
    assert found["auth"].env["SKILLBOX_BOOTSTRAP_API_KEY_FILE"] == str(data.api_key)
    assert "SKILLBOX_BOOTSTRAP_API_KEY_FILE" not in found["executor"].env


def test_nobody_gets_the_engine_by_the_way(data: DataDir) -> None:
    for program in services(data).values():
        assert ENGINE not in program.env.values()


def test_secrets_are_in_no_command_line(data: DataDir) -> None:
    program = programs.s3(data, ADDRESSES)
    secret = data.secret("s3-secret-key")
    assert program.env["RCLONE_AUTH_KEY"] == f'"{data.secret("s3-access-key")},{secret}"'
    assert not [word for word in program.argv if secret in str(word)]


def test_settings_of_others_do_not_leak_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RCLONE_CONFIG", "/etc/passwd")
    monkeypatch.setenv("SKILLBOX_LISTEN", "0.0.0.0:1")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    env = programs.base_env()
    assert not [name for name in env if name.startswith(("RCLONE_", "SKILLBOX_"))]
    assert env["no_proxy"] == env["NO_PROXY"] == "example.org,127.0.0.1"


def test_gateway_with_a_setting_that_is_not_valid(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKILLBOX_RATE_LIMIT", "often")
    with pytest.raises(LocalError, match=r"(?s)the gateway cannot be configured: .*rate_limit"):
        programs.gateway(data, ADDRESSES, Address("127.0.0.1", 8080))


def test_each_service_is_scraped_at_a_port_of_its_own(
    data: DataDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "SKILLBOX_METRICS_LISTEN"
    assert not [each for each in services(data).values() if name in each.env]
    monkeypatch.setenv(name, "127.0.0.1:9464")
    found = [each.env[name] for each in services(data).values()]
    assert found == ["127.0.0.1:9464", "127.0.0.1:9465", "127.0.0.1:9466"]
    monkeypatch.setenv(name, "nonsense")
    assert {each.env[name] for each in services(data).values()} == {"nonsense"}


def test_a_cache_has_a_secret(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "SKILLBOX_CACHE_SECRET"
    assert not [each for each in services(data).values() if name in each.env]
    monkeypatch.setenv("SKILLBOX_REDIS_URL", "redis://localhost")
    (made,) = {each.env[name] for each in services(data).values()}
    assert len(made) >= 32
    monkeypatch.setenv(name, "the user's own")
    assert {each.env[name] for each in services(data).values()} == {"the user's own"}
