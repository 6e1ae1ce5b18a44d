"""What a sender states or repeats costs no more memory than the settings allow."""

import io
import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from skillbox_common.errors import InvalidArgument, InvalidSkill, SkillTooLarge
from skillbox_executor import results
from skillbox_executor.domain import Reason
from skillbox_executor.results import ResultError, ResultSink
from skillbox_executor.sandbox.frames import MAX_FRAME, FrameError, FrameParser
from skillbox_registry.limits import Limits
from skillbox_registry.spool import Spool
from skillbox_registry.upload_body import MultipartBody
from skillbox_registry.validate import validate_archive
from tests.fuzz.tars import header, holes
from tests.unit.registry.forms import BOUNDARY
from tests.unit.registry.zips import RawZip, skill_md, skill_zip, zip_of

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_CHUNK = 64 * 1024
_FENCE = b"--" + BOUNDARY.encode() + b"\r\n"


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Fails when Python's own memory grows by more at any time in the block."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= size, f"{peak:,} bytes"


@pytest.mark.parametrize(
    ("said", "then"),
    [
        (b"o9999999999", b"x" * _CHUNK),
        (b"x0000004096", b"9" * _CHUNK),
        (b"o%010d" % (MAX_FRAME - 1), b"o" * _CHUNK),
        (b"", b"o0000000000" * 300),
        (b"", b"\0" * _CHUNK),
    ],
)
def test_frames(said: bytes, then: bytes) -> None:
    parser = FrameParser()
    with at_most(4 * MAX_FRAME), suppress(FrameError):
        for data in itertools.chain([said], itertools.repeat(then, 200)):
            for _ in parser.feed(data):
                pass


@pytest.mark.parametrize(
    "tar",
    [
        pytest.param(lambda: header(b"0", 100 * _GIB) + bytes(1024), id="size"),
        pytest.param(lambda: header(b"S", 512, holes=holes(100 * _GIB)) + bytes(1536), id="holes"),
        pytest.param(lambda: header(b"L", 32 * _MIB) + b"n" * 32 * _MIB, id="long name"),
        pytest.param(lambda: header(b"x", 32 * _MIB) + b"n" * 32 * _MIB, id="records"),
        pytest.param(lambda: header(b"5", 0, "d/") * 60_000, id="folders"),
        pytest.param(lambda: header(b"2", 0, "files/l") * 60_000, id="links"),
    ],
)
def test_a_result(tar: Callable[[], bytes]) -> None:
    with closing(ResultSink(64 * _MIB)) as sink:
        sink.write(tar())
        with at_most(16 * _MIB), pytest.raises(ResultError):
            results.read(sink.file, 100)


def test_an_output_that_is_too_long() -> None:
    with closing(ResultSink(64 * _MIB)) as sink:
        sink.write(header(b"0", 40 * _MIB, "output.json") + bytes(40 * _MIB))
        with at_most(4 * _MIB):
            found = results.read(sink.file, 100)
    assert found.problem is not None
    assert found.problem.reason is Reason.OUTPUT_LIMIT


def test_a_result_larger_than_its_box() -> None:
    with (
        closing(ResultSink(8 * _MIB)) as sink,
        at_most(4 * _MIB),
        pytest.raises(ResultError),
    ):
        for _ in range(1000):
            sink.write(b"x" * _CHUNK)


_PART = b'Content-Disposition: form-data; name="%s"\r\n\r\n'


@pytest.mark.parametrize(
    ("begin", "then"),
    [
        pytest.param(b"", b"x" * _CHUNK, id="preamble"),
        pytest.param(_FENCE, b"x" * _CHUNK, id="name of a header"),
        pytest.param(_FENCE + b"a: ", b"x" * _CHUNK, id="value of a header"),
        pytest.param(_FENCE, b"a: b\r\n" * 10_000, id="headers"),
        pytest.param(_FENCE + _PART % b"name", b"x" * _CHUNK, id="field"),
        pytest.param(_FENCE + _PART % b"other", b"x" * _CHUNK, id="unknown field"),
        pytest.param(_FENCE + _PART % b"file", b"x" * _CHUNK, id="file"),
        pytest.param(b"", (_FENCE + b"\r\n\r\n") * 2000, id="parts"),
    ],
)
def test_a_form(begin: bytes, then: bytes) -> None:
    body = MultipartBody(BOUNDARY.encode())
    with (
        at_most(4 * _MIB),
        Spool(8 * _MIB) as spool,
        pytest.raises((InvalidArgument, SkillTooLarge)),
    ):
        for chunk in itertools.chain([begin], itertools.repeat(then, 400)):
            body.write(chunk, spool)


_ALIASES = "\n".join(
    ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
)


def _lying(size: int) -> bytes:
    return RawZip().skill().add(b"a", b"x" * 1000, stated_size=size).bytes()


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(_lying(2**32 - 1), id="stated size"),
        pytest.param(_lying(0), id="no stated size"),
        pytest.param(RawZip().skill().bytes(entries=0xFFFF), id="stated entries"),
        pytest.param(RawZip().skill().add(b"a", bytes(150 * _MIB)).bytes(), id="bomb of one file"),
        pytest.param(
            zip_of({"SKILL.md": skill_md(), **{f"{n}": bytes(_MIB) for n in range(150)}}),
            id="bomb of many files",
        ),
        pytest.param(zip_of({"SKILL.md": b"---\n" + b"a" * 20 * _MIB}), id="SKILL.md"),
        pytest.param(
            skill_zip(_ALIASES),
            id="aliases",
        ),
        pytest.param(skill_zip("a: " + "[" * 30_000), id="depth"),
    ],
)
def test_an_archive(archive: bytes) -> None:
    with at_most(12 * _MIB), pytest.raises(InvalidSkill):
        validate_archive(io.BytesIO(archive), Limits())
