"""Settings from the environment: complete reports, files, hidden secrets."""

import json
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr, model_validator

from skillbox_common.config import (
    ConfigurationError,
    Duration,
    ObjectStoreSettings,
    ServiceSettings,
    Size,
    load,
    parse_command,
)


class Settings(ServiceSettings, ObjectStoreSettings):
    listen: str = Field("127.0.0.1:1", description="host:port")
    allowed: list[str] = Field(default=["a"])
    most: Size = Field(1)
    pause: Duration = Field(1.0)


REQUIRED = {
    "SKILLBOX_DB_DSN": "postgresql://user:hush-dsn@localhost/x",
    "SKILLBOX_S3_ENDPOINT": "localhost:9000",
    "SKILLBOX_S3_ACCESS_KEY": "hush-access",
    "SKILLBOX_S3_SECRET_KEY": "hush-secret",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """All that is required is set."""
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[str, Settings]:
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    return parse_command(Settings, ("serve", "migrate"), "program")


def problems() -> str:
    with pytest.raises(ConfigurationError) as raised:
        load(Settings)
    return str(raised.value)


def test_all_that_is_missing_is_reported_in_one_message_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch)
    assert ended.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("program: the configuration is not valid:\n")
    assert all(f"  {name} is required" in output.err for name in REQUIRED)
    assert "SKILLBOX_DB_DSN is required (Postgres DSN)" in output.err


def test_an_empty_variable_is_missing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SKILLBOX_DB_DSN", "")
    environment.setenv("SKILLBOX_LOG_LEVEL", "")
    assert problems().splitlines()[1:] == ["  SKILLBOX_DB_DSN is required (Postgres DSN)"]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("DB_POOL_SIZE", "ten", "SKILLBOX_DB_POOL_SIZE='ten': Input should be a valid integer"),
        ("DB_POOL_SIZE", "0", "SKILLBOX_DB_POOL_SIZE='0': Input should be greater than"),
        ("LOG_LEVEL", "loud", "SKILLBOX_LOG_LEVEL='loud': String should match"),
        ("MOST", "1GB", "SKILLBOX_MOST='1GB': Value error, expected a size such as 128Mi"),
        ("PAUSE", "5", "SKILLBOX_PAUSE='5': Value error, expected a duration such as 60s"),
        ("ALLOWED", "a,b", 'error parsing value for field "allowed"'),
    ],
)
def test_a_value_that_does_not_parse_is_named_with_what_was_expected(
    environment: pytest.MonkeyPatch, variable: str, value: str, line: str
) -> None:
    environment.setenv(f"SKILLBOX_{variable}", value)
    assert line in problems()


def test_values_are_read_as_people_write_them(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SKILLBOX_MOST", "2Mi")
    environment.setenv("SKILLBOX_PAUSE", "1m30s")
    settings = load(Settings)
    assert (settings.most, settings.pause) == (2 * 2**20, 90.0)
    assert settings.s3_endpoint == "localhost:9000"


def test_a_secret_can_come_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-file\n")
    environment.delenv("SKILLBOX_S3_SECRET_KEY")
    environment.setenv("SKILLBOX_S3_SECRET_KEY_FILE", str(file))
    assert load(Settings).s3_secret_key.get_secret_value() == "from-file"
    file.write_text("\n")
    assert "SKILLBOX_S3_SECRET_KEY is required" in problems()


def test_the_variable_itself_goes_before_its_file(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("from-file")
    environment.setenv("SKILLBOX_S3_SECRET_KEY_FILE", str(file))
    assert load(Settings).s3_secret_key.get_secret_value() == "hush-secret"


def test_a_file_that_cannot_be_read_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("SKILLBOX_DB_DSN_FILE", str(tmp_path / "none"))
    assert f"SKILLBOX_DB_DSN_FILE='{tmp_path}/none': cannot be read: No such file" in problems()
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    environment.setenv("SKILLBOX_DB_DSN_FILE", str(binary))
    assert f"SKILLBOX_DB_DSN_FILE='{binary}': cannot be read: not text" in problems()


def test_print_config_hides_secrets(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(environment, "--print-config")
    assert ended.value.code == 0
    output = capsys.readouterr().out
    shown = json.loads(output)
    assert shown["SKILLBOX_S3_ENDPOINT"] == "localhost:9000"
    assert set(shown["SKILLBOX_DB_DSN"]) == {"*"}
    assert "hush" not in output


def test_a_wrong_secret_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    class Strict(Settings):
        token: SecretStr = Field(min_length=100)

    class Whole(Settings):
        @model_validator(mode="before")
        @classmethod
        def _refuse(cls, values: object) -> object:
            raise ValueError("these do not go together")

    environment.setenv("SKILLBOX_TOKEN", "hush-token")
    for settings, expected in (
        (Strict, "SKILLBOX_TOKEN=(hidden): "),
        (Whole, "do not go together"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            load(settings)
        assert expected in str(raised.value)
        assert "hush" not in str(raised.value)


def test_the_first_command_is_the_default(environment: pytest.MonkeyPatch) -> None:
    assert run(environment)[0] == "serve"
    assert run(environment, "migrate")[0] == "migrate"
