import pytest

from skillbox_common.caller import caller_endpoint, set_caller_endpoint


@pytest.mark.parametrize(
    ("host", "scheme", "endpoint"),
    [
        ("box.example:8080", "http", "http://box.example:8080"),
        ("127.0.0.1", "https", "https://127.0.0.1"),
        ("[::1]:8080", "http", "http://[::1]:8080"),
        (None, "http", ""),
        ("", "http", ""),
        ("box.example", None, ""),
        ("box.example", "ftp", ""),
        ("box.example/path", "http", ""),
        ("user@box.example", "http", ""),
        ("box.example:1 x", "http", ""),
        ("box.example\r\nx: y", "http", ""),
    ],
)
async def test_only_a_plain_address_counts(
    host: str | None, scheme: str | None, endpoint: str
) -> None:
    set_caller_endpoint(host, scheme)
    assert caller_endpoint() == endpoint
