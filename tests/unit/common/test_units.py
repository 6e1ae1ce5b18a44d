"""Sizes, durations and cores as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_common.units import format_duration, parse_cpu, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        (1048576, 1048576),
        ("128Mi", 128 * 2**20),
        ("1Gi", 2**30),
        ("2Ti", 2**41),
        ("3Ki", 3072),
        ("500M", 500_000_000),
        ("5k", 5000),
        ("5K", 5000),
        (" 1Gi ", 2**30),
    ],
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "0", "0Mi", "-1", "1.5Gi", "1 Gi", "1gi", "1GiB", "Mi", "1e3", "٣", "9" * 33, True, None],
)
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as 128Mi"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("1m30s", 90),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("1h0m0s", 3600),
        ("1m500ms", 60.5),
        (" 5s ", 5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "0s", "60", 60, "-5s", "5 s", "5S", "5d", "s", "1m30", ".5s", "1.s", "٣s", "1" * 32 + "s"],
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 60s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (5, "5s"),
        (60, "1m0s"),
        (90, "1m30s"),
        (600, "10m0s"),
        (3600, "1h0m0s"),
        (3661.001, "1h1m1.001s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=1, max_value=10**12))
def test_a_written_duration_is_read_back(millis: int) -> None:
    assert parse_duration(format_duration(millis / 1000)) == millis / 1000


@pytest.mark.parametrize(("text", "cores"), [("0.5", 0.5), (2, 2.0), (0.25, 0.25), (" 4 ", 4.0)])
def test_cores(text: object, cores: float) -> None:
    assert parse_cpu(text) == cores


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "4097", "1/2", "500m", True, None])
def test_what_is_no_number_of_cores(text: object) -> None:
    with pytest.raises(ValueError, match="expected a number of cores"):
        parse_cpu(text)


@given(st.text(max_size=40))
def test_anything_is_read_or_refused_with_a_sentence(text: str) -> None:
    for parse in (parse_size, parse_duration, parse_cpu):
        try:
            assert parse(text) > 0
        except ValueError as error:
            assert str(error).startswith("expected ")
