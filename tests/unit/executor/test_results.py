import gzip
import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_executor import results
from skillbox_executor.domain import Reason
from skillbox_executor.results import ResultError, ResultSink


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return out


def written(data: bytes) -> io.BytesIO:
    out = io.BytesIO()
    out.write(data)
    return out


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_output_and_files_are_taken() -> None:
    found = results.read(
        tar(("output.json", b'{"b": 1, "a": 2}'), ("files/b/x.txt", b"x"), ("files/a", b"aa")), 10
    )
    assert found.output_json == '{"b":1,"a":2}'
    assert found.files == ["a", "b/x.txt"]
    assert found.archive is not None
    with found.archive as file:
        packed = file.read()
    assert found.archive_size == len(packed)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as archive:
        content = {m.name: f.read() for m in archive if (f := archive.extractfile(m))}
    assert content == {"a": b"aa", "b/x.txt": b"x"}


@pytest.mark.parametrize("data", [b"", b" \n"])
def test_an_empty_output_is_none(data: bytes) -> None:
    found = results.read(tar(("output.json", data)), 10)
    assert (found.output_json, found.files, found.archive, found.problem) == (None, [], None, None)


@pytest.mark.parametrize(
    ("member", "reason", "text"),
    [
        (("output.json", b"{"), Reason.INVALID_OUTPUT, "not valid JSON"),
        (("output.json", b'{"a": NaN}'), Reason.INVALID_OUTPUT, "not valid JSON"),
        (special("output.json", tarfile.DIRTYPE), Reason.INVALID_OUTPUT, "not a regular file"),
        (special("output.json", tarfile.FIFOTYPE), Reason.INVALID_OUTPUT, "not a regular file"),
        (
            special("output.json", tarfile.SYMTYPE, "/etc/passwd"),
            Reason.INVALID_OUTPUT,
            "not a regular file",
        ),
        (
            ("output.json", b" " * (results.MAX_OUTPUT + 1)),
            Reason.OUTPUT_LIMIT,
            f"the limit is {results.MAX_OUTPUT}",
        ),
    ],
)
def test_a_bad_output_is_a_problem_and_the_files_are_kept(
    member: tuple[str, bytes] | tarfile.TarInfo, reason: Reason, text: str
) -> None:
    found = results.read(tar(member, ("files/kept", b"k")), 10)
    assert found.problem is not None
    assert found.problem.reason is reason
    assert text in str(found.problem)
    assert found.files == ["kept"]
    assert found.archive is not None
    found.archive.close()


def test_links_and_devices_are_left_out() -> None:
    found = results.read(
        tar(
            special("files/link", tarfile.SYMTYPE, "/etc/passwd"),
            special("files/hard", tarfile.LNKTYPE, "output.json"),
            special("files/null", tarfile.CHRTYPE),
            special("files/fifo", tarfile.FIFOTYPE),
            special("files/dir", tarfile.DIRTYPE),
        ),
        10,
    )
    assert found.files == []


@pytest.mark.parametrize(
    "name", ["files/../x", "files//etc/passwd", "files/a/../../b", "files/./a", "files/a//b"]
)
def test_names_that_leave_their_folder_are_a_fault_of_the_runner(name: str) -> None:
    with pytest.raises(ResultError) as caught:
        results.read(tar((name, b"x")), 10)
    assert caught.value.reason is Reason.RUNNER_FAULT


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: tar(*((f"files/{n}", b"") for n in range(4))), Reason.ARTIFACT_LIMIT),
        (lambda: tar(("files/a", b"1"), ("files/a", b"2")), Reason.RUNNER_FAULT),
        (lambda: written(b"not a tar" * 100), Reason.RUNNER_FAULT),
        (lambda: written(tar(("files/a", b"x" * 9000)).getvalue()[:2000]), Reason.RUNNER_FAULT),
    ],
)
def test_what_breaks_a_limit_or_the_format_is_refused(
    make: Callable[[], io.BytesIO], reason: Reason
) -> None:
    with pytest.raises(ResultError) as caught:
        results.read(make(), 3)
    assert caught.value.reason is reason


def test_nothing_at_all_is_nothing() -> None:
    assert results.read(io.BytesIO(), 3).output_json is None


def test_the_sink_holds_no_more_than_its_limit() -> None:
    sink = ResultSink(10)
    sink.write(b"x" * 10)
    with pytest.raises(ResultError):
        sink.write(b"x")
    sink.close()


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = results.read(written(data), 3)
    except ResultError:
        return
    if found.archive:
        found.archive.close()


@given(st.integers(0, 511), st.integers(0, 255))
def test_a_damaged_header_is_read_or_refused(position: int, value: int) -> None:
    data = bytearray(tar(("files/a", b"hello"), ("output.json", b"1")).getvalue())
    data[position] = value
    try:
        found = results.read(written(bytes(data)), 3)
    except ResultError:
        return
    if found.archive:
        found.archive.close()
