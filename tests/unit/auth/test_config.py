"""The settings of Auth."""

import pytest

from skillbox_auth.config import Settings
from skillbox_common.config import ConfigurationError, load


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKILLBOX_DB_DSN", "postgresql://localhost/x")


def test_defaults() -> None:
    settings = load(Settings)
    assert settings.listen == "127.0.0.1:50051"
    assert settings.bootstrap_api_key is None
    assert settings.bootstrap_tenant == "default"


@pytest.mark.parametrize("key", ["sk-example-test-key", "x", "with space", "~" * 512])
def test_any_string_that_can_be_sent_is_a_bootstrap_key(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SKILLBOX_BOOTSTRAP_API_KEY", key)
    loaded = load(Settings).bootstrap_api_key
    assert loaded is not None
    assert loaded.get_secret_value() == key


@pytest.mark.parametrize("key", [" sk-x", "sk-x ", "sk-ключ", "sk\nx", "~" * 513])
def test_a_bootstrap_key_that_nobody_could_send_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SKILLBOX_BOOTSTRAP_API_KEY", key)
    with pytest.raises(ConfigurationError) as raised:
        load(Settings)
    assert "SKILLBOX_BOOTSTRAP_API_KEY=(hidden)" in str(raised.value)
    assert "expected 1 to 512 printable ASCII characters" in str(raised.value)
    assert key not in str(raised.value)


@pytest.mark.parametrize("tenant", ["a/b", "..", "-a", "a b", "a\n", "x" * 65])
def test_a_tenant_is_a_name_that_is_safe_in_a_path(
    monkeypatch: pytest.MonkeyPatch, tenant: str
) -> None:
    monkeypatch.setenv("SKILLBOX_BOOTSTRAP_TENANT", tenant)
    with pytest.raises(ConfigurationError, match="SKILLBOX_BOOTSTRAP_TENANT="):
        load(Settings)
