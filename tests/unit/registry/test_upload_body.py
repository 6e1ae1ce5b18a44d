"""How an archive is found in what a caller sends."""

import hashlib

import pytest

from skillbox_common.errors import (
    InvalidArgument,
    InvalidSkill,
    SkillTooLarge,
    UnsupportedMediaType,
)
from skillbox_registry.spool import Spool
from skillbox_registry.upload_body import BareBody, Expected, body_of_type
from tests.unit.registry.forms import BOUNDARY, CONTENT_TYPE, form, part

FILE = part("file", b"PK\r\n--not the boundary\r\n\0\xff", filename="skill.zip")


def receive(content: bytes, step: int, content_type: str = CONTENT_TYPE) -> tuple[bytes, Expected]:
    body = body_of_type(content_type)
    with Spool(10_000) as spool:
        for start in range(0, len(content), step):
            body.write(content[start : start + step], spool)
        expected = body.finish(spool)
        spool.file.seek(0)
        data = spool.file.read()
        assert spool.digest == hashlib.sha256(data).hexdigest()
        return data, expected


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50, 10_000])
def test_a_form_may_be_split_anywhere(step: int) -> None:
    content = form(part("name", b"demo"), FILE, part("version", b" 1.0.0 "), part("other", b"x"))
    data, expected = receive(content, step)
    assert data == b"PK\r\n--not the boundary\r\n\0\xff"
    assert expected == Expected("demo", "1.0.0")


def test_a_form_may_be_split_at_every_single_place() -> None:
    content = form(FILE)
    for place in range(len(content)):
        body = body_of_type(CONTENT_TYPE)
        with Spool(1000) as spool:
            body.write(content[:place], spool)
            body.write(content[place:], spool)
            assert body.finish(spool) == Expected()


@pytest.mark.parametrize(
    "content",
    [
        form(),
        form(part("name", b"demo")),
        form(part("archive", b"PK")),
        form(part("file", b"")),
        form(b"\r\n\r\nPK"),
    ],
    ids=["empty", "no file", "other name", "empty file", "nameless"],
)
def test_a_form_without_a_file(content: bytes) -> None:
    with pytest.raises(InvalidArgument, match="no field 'file'"):
        receive(content, 100)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK this is no form", "not valid multipart"),
        (form(FILE)[:-10], "is cut"),
        (form(FILE, FILE), "each field once"),
        (form(FILE, part("name", b"x" * 2000)), "name: longer than"),
        (form(b"bad header\r\n\r\nPK"), "not valid multipart"),
    ],
)
def test_a_malformed_form(content: bytes, expected: str) -> None:
    with pytest.raises(InvalidArgument, match=expected):
        receive(content, 100)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/zip",
        "Application/ZIP; charset=binary",
        "application/octet-stream",
        " application/octet-stream ; x=y",
    ],
)
def test_bare_types(content_type: str) -> None:
    assert receive(b"PK", 1, content_type) == (b"PK", Expected())


@pytest.mark.parametrize(
    "content_type",
    [
        f"multipart/form-data; boundary={BOUNDARY}",
        f'Multipart/Form-Data;boundary="{BOUNDARY}"; a=b',
    ],
)
def test_form_types(content_type: str) -> None:
    assert receive(form(FILE), 100, content_type)[0].startswith(b"PK")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/json",
        "application/zip2",
        "multipart/mixed; boundary=x",
        ";",
        "\u65e5\u672c; x",
        "x" * 5000,
        "application/x-www-form-urlencoded",
    ],
)
def test_other_types(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        body_of_type(content_type)
    assert "application/zip" in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "parameters", ["", "; boundary=", f"; boundary={'x' * 300}", "; boundaries=x"]
)
def test_a_form_without_a_usable_boundary(parameters: str) -> None:
    with pytest.raises(InvalidArgument, match="boundary"):
        body_of_type(f"multipart/form-data{parameters}")


def test_an_empty_body() -> None:
    with Spool(10) as spool, pytest.raises(InvalidArgument, match="empty"):
        BareBody().finish(spool)


def test_the_limit_counts_to_the_byte() -> None:
    with Spool(10) as spool:
        spool.write(b"x" * 10)
        with pytest.raises(SkillTooLarge, match="larger than 10 bytes"):
            spool.write(b"x")


def test_a_form_may_not_be_large_beside_its_file() -> None:
    with pytest.raises(SkillTooLarge, match="beside the archive"):
        receive(form(part("other", b"x" * 70_000), FILE), 1000)


def test_the_file_of_a_form_has_the_limit_of_an_archive() -> None:
    with pytest.raises(SkillTooLarge, match="larger than 10000 bytes"):
        receive(form(part("file", b"x" * 10_001)), 1000)


def test_what_the_uploader_says_must_be_so() -> None:
    from skillbox_registry.limits import Limits
    from skillbox_registry.validate import validate_archive
    from tests.unit.registry.zips import skill_zip

    with Spool(10_000) as spool:
        spool.write(skill_zip())
        spec = validate_archive(spool.file, Limits()).spec
    Expected().check(spec)
    Expected("demo", "1.0.0").check(spec)
    with pytest.raises(InvalidSkill) as caught:
        Expected("other", "2.0.0").check(spec)
    assert caught.value.problems == [
        "name: the upload says 'other' but SKILL.md says 'demo'",
        "version: the upload says '2.0.0' but SKILL.md says '1.0.0'",
    ]
