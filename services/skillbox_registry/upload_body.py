"""The forms in which an archive arrives: bare, or in a multipart form."""

from dataclasses import dataclass
from typing import Protocol

from python_multipart.multipart import MultipartParser, parse_options_header

from skillbox_common.errors import (
    InvalidArgument,
    InvalidSkill,
    SkillTooLarge,
    UnsupportedMediaType,
)
from skillbox_registry.skill import SkillSpec
from skillbox_registry.spool import Spool

BARE_TYPES = ("application/zip", "application/octet-stream")
MULTIPART_TYPE = "multipart/form-data"

_MAX_FIELD = 1024
# What a form may hold beside the archive.
_MAX_OTHER = 64 * 1024


@dataclass(frozen=True)
class Expected:
    """What the uploader says that SKILL.md says; empty for no opinion."""

    name: str = ""
    version: str = ""

    def check(self, spec: SkillSpec) -> None:
        """Compares.

        Raises:
            InvalidSkill: SKILL.md says something else.
        """
        problems = [
            f"{field}: the upload says {said[:200]!r} but SKILL.md says {found!r}"
            for field, said, found in (
                ("name", self.name, spec.name),
                ("version", self.version, spec.version),
            )
            if said not in ("", found)
        ]
        if problems:
            raise InvalidSkill(problems)


class UploadBody(Protocol):
    """Finds the archive in what a caller sends. Blocking."""

    def write(self, chunk: bytes, spool: Spool) -> None:
        """Takes a chunk of the body and passes what belongs to the archive to `spool`.

        Raises:
            InvalidArgument: The body is malformed.
            SkillTooLarge: It is larger than it may be.
        """
        ...

    def finish(self, spool: Spool) -> Expected:
        """Ends the body.

        Raises:
            InvalidArgument: There was no archive in it.
        """
        ...


class BareBody:
    """The body is the archive."""

    def __init__(self, expected: Expected | None = None) -> None:
        self._expected = expected or Expected()

    def write(self, chunk: bytes, spool: Spool) -> None:
        spool.write(chunk)

    def finish(self, spool: Spool) -> Expected:
        if not spool.size:
            raise InvalidArgument("the body is empty: expected a zip archive")
        return self._expected


class MultipartBody:
    """A form with the archive in `file` and, if wanted, `name` and `version`."""

    def __init__(self, boundary: bytes) -> None:
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_end": self._on_end,
            },
        )
        self._other = 0
        self._ended = False
        self._spool: Spool | None = None
        self._fields: dict[str, bytearray] = {}
        self._header = bytearray()
        self._header_value = bytearray()
        self._disposition = ""
        self._field = ""

    def write(self, chunk: bytes, spool: Spool) -> None:
        self._spool = spool
        before = spool.size
        try:
            self._parser.write(chunk)
        except ValueError as error:
            raise InvalidArgument("the body is not valid multipart/form-data") from error
        self._other += len(chunk) - (spool.size - before)
        if self._other > _MAX_OTHER:
            raise SkillTooLarge(f"the form holds more than {_MAX_OTHER} bytes beside the archive")

    def finish(self, spool: Spool) -> Expected:
        if "file" not in self._fields or not spool.size:
            raise InvalidArgument("the form has no field 'file' with a zip archive in it")
        if not self._ended:
            raise InvalidArgument("the form is cut: its last boundary is missing")
        return Expected(self._text("name"), self._text("version"))

    def _text(self, field: str) -> str:
        return self._fields.get(field, b"").decode("utf-8", "replace").strip()

    def _on_part_begin(self) -> None:
        self._disposition = ""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._header_value.decode("latin-1")
        self._header.clear()
        self._header_value.clear()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"").decode("latin-1")
        if self._field in self._fields:
            raise InvalidArgument.of("form", self._field, "each field once")
        self._fields[self._field] = bytearray()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._field == "file":
            assert self._spool is not None
            self._spool.write(data[start:end])
        elif self._field in ("name", "version"):
            value = self._fields[self._field]
            value += data[start:end]
            if len(value) > _MAX_FIELD:
                raise InvalidArgument(f"{self._field}: longer than {_MAX_FIELD} bytes")

    def _on_end(self) -> None:
        self._ended = True


def body_of_type(content_type: str) -> UploadBody:
    """Returns the body that a `Content-Type` announces.

    Raises:
        UnsupportedMediaType: It is no type in which an archive can come.
        InvalidArgument: It is multipart without a usable boundary.
    """
    try:
        name, options = parse_options_header(content_type)
    except ValueError:
        name, options = b"", {}
    kind = name.decode("latin-1").strip()
    if kind in BARE_TYPES:
        return BareBody()
    if kind != MULTIPART_TYPE:
        expected = ", ".join((*BARE_TYPES, MULTIPART_TYPE))
        raise UnsupportedMediaType(f"Content-Type: {kind[:100]!r}: expected one of {expected}")
    try:
        if options.get(b"boundary"):
            return MultipartBody(options[b"boundary"])
    except ValueError:
        pass
    raise InvalidArgument("Content-Type: multipart/form-data without a usable boundary")
