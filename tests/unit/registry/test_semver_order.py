"""The text key must sort as SemVer does, and name one version only."""

import random

import pytest
import semver
from hypothesis import given, settings
from hypothesis import strategies as st

from skillbox_registry.semver_order import is_release, is_version, sort_key

ORDERED = [
    "0.0.0",
    "0.0.9",
    "0.0.10",
    "0.2.0",
    "0.10.0",
    "1.0.0-0",
    "1.0.0-2",
    "1.0.0-11",
    "1.0.0-11.0",
    "1.0.0--",
    "1.0.0-A",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.1.0",
    "1.0.0-alpha.beta",
    "1.0.0-alpha-",
    "1.0.0-alpha0",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0-rc.1+a",
    "1.0.0-rc.1+b",
    "1.0.0",
    "1.0.0+1",
    "1.0.0+a",
    "1.0.1-0",
    "1.0.1",
    "2.0.0",
    "10.0.0",
    "99999999999999999999.0.0",
]

_number = st.integers(0, 10**12).map(str)
_alphanumeric = st.from_regex(r"[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*", fullmatch=True)
_identifiers = st.lists(_number | _alphanumeric, min_size=1, max_size=4).map(".".join)
_versions = st.builds(
    lambda core, pre, build: ".".join(core) + (pre and f"-{pre}") + (build and f"+{build}"),
    st.tuples(_number, _number, _number),
    st.just("") | _identifiers,
    st.just("") | st.from_regex(r"[0-9A-Za-z-]{1,5}(\.[0-9A-Za-z-]{1,5}){0,2}", fullmatch=True),
).filter(lambda version: len(version) <= 128)


def test_the_key_sorts_as_semver_does() -> None:
    shuffled = random.Random(1).sample(ORDERED, len(ORDERED))
    assert sorted(shuffled, key=sort_key) == ORDERED


@settings(deadline=None)
@given(_versions, _versions)
def test_the_key_agrees_with_the_library(one: str, other: str) -> None:
    order = semver.Version.parse(one).compare(other)
    if order:
        assert (sort_key(one) < sort_key(other)) == (order < 0)
    assert (sort_key(one) == sort_key(other)) == (one == other)
    assert is_version(one)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_no_text_breaks_the_check(text: str) -> None:
    if is_version(text):
        assert text.isascii()
        sort_key(text)


@pytest.mark.parametrize(
    ("version", "release"), [("1.0.0", True), ("1.0.0+a-b", True), ("1.0.0-a", False)]
)
def test_releases(version: str, release: bool) -> None:
    assert is_release(version) is release
