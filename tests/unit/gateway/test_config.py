import pytest

from skillbox_common.config import ConfigurationError, load
from skillbox_gateway.config import Address, GatewaySettings, parse_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:50051", [Address("127.0.0.1", 50051)]),
        ("a:1,b.example:65535", [Address("a", 1), Address("b.example", 65535)]),
        (" a:1 , b:2 ", [Address("a", 1), Address("b", 2)]),
        ("[::1]:50051", [Address("::1", 50051)]),
    ],
)
def test_addresses(text: str, expected: list[Address]) -> None:
    assert parse_addresses(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "a:", ":1", "a:0", "a:65536", "a:x", "a:-1", "::1:80", "[a]b:1", "a:1,", "a:\u0661"],
)
def test_bad_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        parse_addresses(text)


def test_is_ip() -> None:
    assert Address("10.0.0.1", 1).is_ip
    assert Address("::1", 1).is_ip
    assert not Address("registry", 1).is_ip


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKILLBOX_API_PORT", "9000")
    monkeypatch.setenv("SKILLBOX_REGISTRY_ADDRESS", "registry-1:50052,registry-2:50052")
    settings = load(GatewaySettings)
    assert settings.api_port == 9000
    assert settings.registry_address == "registry-1:50052,registry-2:50052"


def test_every_problem_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKILLBOX_API_PORT", "70000")
    monkeypatch.setenv("SKILLBOX_AUTH_ADDRESS", "nowhere")
    with pytest.raises(ConfigurationError) as caught:
        load(GatewaySettings)
    assert "SKILLBOX_API_PORT='70000'" in str(caught.value)
    assert "SKILLBOX_AUTH_ADDRESS='nowhere'" in str(caught.value)
    assert "expected host:port" in str(caught.value)
