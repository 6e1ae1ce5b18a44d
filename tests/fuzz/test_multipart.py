"""Whatever form is sent: it is refused with a reason, or holds what was sent as `file`."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from skillbox_common.errors import InvalidArgument, SkillTooLarge, UnsupportedMediaType
from skillbox_registry.spool import Spool
from skillbox_registry.upload_body import Expected, body_of_type
from tests.unit.registry.forms import BOUNDARY, CONTENT_TYPE, form, part

_LIMIT = 4096
_FENCE = b"--" + BOUNDARY.encode()
_REFUSALS = (InvalidArgument, SkillTooLarge, UnsupportedMediaType)

_pieces = st.lists(
    st.sampled_from(
        [
            *(_FENCE, _FENCE + b"--", b"\r\n", b"\n", b"\r", b"--", b"\0", b";", b'"', b"\xff"),
            b"Content-Disposition: form-data; ",
            *(b'name="file"', b'name="name"', b'name="version"', b"name=file", b'name=""'),
            *(b'filename="a"', b"filename*=utf-8''a", b"Content-Transfer-Encoding: base64"),
            *(b"\r\n\r\n", b"PK\3\4", b"x" * 1500, b": ", b" folded"),
        ]
    )
    | st.binary(max_size=30),
    max_size=30,
).map(b"".join)
_names = st.sampled_from(["file", "name", "version", "other", "", "FILE", "fi\u00e9"])
_forms = st.lists(st.tuples(_names, st.binary(max_size=3000) | _pieces), max_size=4).map(
    lambda parts: form(*(part(name, content) for name, content in parts))
)


def send(content_type: str, content: bytes, step: int) -> tuple[bytes, Expected] | None:
    """Returns the archive that was found and what was said of it, or nothing for a refusal."""
    try:
        body = body_of_type(content_type)
        with Spool(_LIMIT) as spool:
            for start in range(0, len(content), step):
                body.write(content[start : start + step], spool)
            expected = body.finish(spool)
            assert 0 < spool.size <= _LIMIT
            spool.file.seek(0)
            return spool.file.read(), expected
    except _REFUSALS as error:
        assert error.message
        return None


@settings(max_examples=300, deadline=None)
@given(_pieces | _forms, st.integers(1, 2000))
@example(form(part("file", b"x" * (_LIMIT + 1))), 1000)
@example(form(part("file", b"x"), part("file", b"y")), 1)
def test_any_form(content: bytes, step: int) -> None:
    found = send(CONTENT_TYPE, content, step)
    if found is not None:
        archive, expected = found
        assert archive in content
        assert len(expected.name) <= 1024
        assert len(expected.version) <= 1024


@settings(max_examples=200, deadline=None)
@given(_pieces | _forms, st.integers(1, 2000), st.integers(1, 2000))
def test_how_it_is_cut_does_not_matter(content: bytes, one: int, other: int) -> None:
    assert send(CONTENT_TYPE, content, one) == send(CONTENT_TYPE, content, other)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=3000), st.integers(1, 500))
def test_a_file_comes_out_as_it_was(archive: bytes, step: int) -> None:
    if re.search(rb"\r\n" + _FENCE, archive):
        return
    found = send(CONTENT_TYPE, form(part("name", b"n"), part("file", archive)), step)
    assert found == (archive, Expected("n"))


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.tuples(
        st.sampled_from(["multipart/form-data", "application/zip", "multipart/mixed"]),
        st.text(max_size=90),
    ).map("; boundary=".join)
)
def test_any_content_type(content_type: str) -> None:
    send(content_type, form(part("file", b"x")), 100)
