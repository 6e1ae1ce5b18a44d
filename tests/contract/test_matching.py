"""The comparisons of the cases can fail."""

import pytest

from tests.contract.matching import has, matches


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("", "", True),
        ("", "x", False),
        ("a.c", "abc", False),
        ('{"n":<int>}', '{"n":12}', True),
        ('{"n":<int>}', '{"n":"12"}', False),
        ('{"n":<int>}', '{"n":12} ', False),
        ('{"t":"<text>"}', r'{"t":"a \"b\" c"}', True),
        ('{"t":"<text>"}', '{"t":"a","u":"b"}', False),
        ("at <time>", "at 2026-01-02T03:04:05.678Z", True),
        ("at <time>", "at 2026-01-02 03:04:05", False),
        ("<nothing>", "<nothing>", True),
    ],
)
def test_texts(expected: str, found: str, same: bool) -> None:
    assert matches(expected, found) is same


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": "x1"}}, {"a": {"b": "x<int>"}}, True),
        ({"a": {"b": "xy"}}, {"a": {"b": "x<int>"}}, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [1], False),
        (1, "1", False),
        (None, {}, False),
    ],
)
def test_values(found: object, expected: object, same: bool) -> None:
    assert has(found, expected) is same
