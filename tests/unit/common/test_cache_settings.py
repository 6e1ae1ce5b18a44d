"""The settings of the shared cache: all of them or none."""

import pytest

from skillbox_common.config import CacheSettings, ConfigurationError, dump, load

URL = "redis://user:hush-password@localhost:6379/0"
SECRET = "hush, a secret of the services alone"


def environment(monkeypatch: pytest.MonkeyPatch, url: str, secret: str) -> None:
    monkeypatch.setenv("SKILLBOX_REDIS_URL", url)
    monkeypatch.setenv("SKILLBOX_CACHE_SECRET", secret)


@pytest.mark.parametrize("url", [URL, URL.replace("redis:", "rediss:"), "unix:///run/redis.sock"])
def test_a_cache(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    environment(monkeypatch, url, SECRET)
    settings = load(CacheSettings)
    assert settings.redis_url.get_secret_value() == url
    assert "hush" not in dump(settings)


def test_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, "", "")
    assert load(CacheSettings).cache_secret is None


@pytest.mark.parametrize(
    ("url", "secret", "problem"),
    [
        (URL, "", "SKILLBOX_REDIS_URL and SKILLBOX_CACHE_SECRET need each other"),
        ("", SECRET, "SKILLBOX_REDIS_URL and SKILLBOX_CACHE_SECRET need each other"),
        (URL, "hush", "SKILLBOX_CACHE_SECRET=(hidden): "),
        ("http://hush", SECRET, "SKILLBOX_REDIS_URL: expected redis://, rediss:// or unix://"),
    ],
)
def test_half_a_cache(monkeypatch: pytest.MonkeyPatch, url: str, secret: str, problem: str) -> None:
    environment(monkeypatch, url, secret)
    with pytest.raises(ConfigurationError) as raised:
        load(CacheSettings)
    assert problem in str(raised.value)
    assert "hush" not in str(raised.value)
