"""How keys are made, shown and judged."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from skillbox_auth.api_key import IssuedKey, digest, issue

NOW = datetime.now(UTC)
LATER = NOW + timedelta(microseconds=1)


def new(secret: str | None = None) -> IssuedKey:
    return issue(tenant_id="t", name="n", scopes=["admin"], secret=secret)


def test_secrets_are_192_random_bits_in_the_documented_form() -> None:
    made = {new().secret for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("sk-[0-9a-f]{48}", secret) for secret in made)


def test_the_secret_is_never_shown() -> None:
    issued = new()
    assert issued.secret[11:] not in repr(issued)


def test_the_digest_is_the_sha_256() -> None:
    assert digest("sk-abc") == hashlib.sha256(b"sk-abc").digest()


@pytest.mark.parametrize(
    ("secret", "prefix"),
    [("x", ""), ("sk-example-test-key", "sk-e"), ("sk-" + "0" * 48, "sk-00000000")],
)
def test_the_prefix_tells_little_of_a_short_secret(secret: str, prefix: str) -> None:
    assert new(secret).key.prefix == prefix


@pytest.mark.parametrize(
    ("expires_at", "revoked_at", "works"),
    [
        (None, None, True),
        (LATER, None, True),
        (NOW, None, False),
        (None, NOW, False),
        (LATER, LATER, False),
    ],
)
def test_a_key_works_until_it_expires_or_is_revoked(
    expires_at: datetime | None, revoked_at: datetime | None, works: bool
) -> None:
    key = replace(new().key, expires_at=expires_at, revoked_at=revoked_at)
    assert key.works(NOW) is works
