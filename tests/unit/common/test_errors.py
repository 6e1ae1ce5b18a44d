"""The catalogue is complete, and it says what the contracts say."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import skillbox_common.migrate  # noqa: F401 - it defines an error, too
from skillbox.common.v1.error_reason_pb2 import ErrorReason
from skillbox_common.error_catalogue import CATALOGUE
from skillbox_common.errors import InvalidArgument, InvalidSkill, SkillboxError

PROTO = Path("proto/skillbox/common/v1/error_reason.proto")
PREFIX = "ERROR_REASON_"


def subclasses(base: type[SkillboxError] = SkillboxError) -> Iterator[type[SkillboxError]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def test_proto_catalogue_and_exceptions_have_the_same_reasons() -> None:
    values = ErrorReason.DESCRIPTOR.values_by_name
    reasons = {name.removeprefix(PREFIX) for name in values} - {"UNSPECIFIED"}
    assert set(CATALOGUE) == reasons
    assert {error.reason for error in subclasses()} == reasons


def test_the_proto_tells_each_code_and_status_as_they_are() -> None:
    # `// ERROR_REASON_X: … NOT_FOUND, REST 404 `not_found`.`, broken over lines.
    text = re.sub(r"\s*// ?", " ", (Path(__file__).parents[3] / PROTO).read_text())
    told = re.findall(rf"{PREFIX}(\w+): .*?([A-Z_]+), REST (\d+) `(\w+)`", text)
    assert {reason: (code, int(status), rest_code) for reason, code, status, rest_code in told} == {
        reason: (wire.grpc_code.name, wire.http_status, wire.rest_code)
        for reason, wire in CATALOGUE.items()
    }


def test_rest_knows_only_the_documented_pairs() -> None:
    assert {(wire.http_status, wire.rest_code) for wire in CATALOGUE.values()} == {
        (400, "bad_request"),
        (400, "invalid_skill"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (409, "already_exists"),
        (413, "too_large"),
        (415, "unsupported_media_type"),
        (422, "idempotency_key_reused"),
        (429, "resource_exhausted"),
        (500, "internal_error"),
        (503, "service_unavailable"),
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a\nb", r"'a\nb'"), (5, "5"), ("x" * 200, "'" + "x" * 76 + "...")],
)
def test_an_invalid_argument_names_field_value_and_expectation(value: object, shown: str) -> None:
    error = InvalidArgument.of("field", value, "something else")
    assert str(error) == f"field: {shown} is not valid: expected something else"


def test_an_invalid_skill_lists_every_problem() -> None:
    assert str(InvalidSkill(["no name", "no version"])) == "no name; no version"
