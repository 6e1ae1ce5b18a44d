"""Reads the cases: one YAML table that says what a call does over REST and over gRPC."""

from pathlib import Path
from string import Template
from typing import Any, Literal

import msgspec
import yaml

from tests.e2e import skills

_CASES = Path(__file__).with_name("cases")
_ARCHIVES = _CASES / "archives.yaml"


class Rest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request over REST: at most one kind of body.

    Attributes:
        type: Content-Type of the body.
        json: Is sent as JSON.
        text: Is sent as it is.
        archive: Name of the archive that is the body.
        form: Fields of a multipart form; `file` names an archive.
        size: Bytes of a body without sense.
    """

    method: str
    path: str
    type: str | None = None
    json: Any = None
    text: str | None = None
    archive: str | None = None
    form: dict[str, str] | None = None
    size: int | None = None


class Grpc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call over gRPC.

    Attributes:
        method: `Service/Method`.
        request: The message as JSON; a list of them for a stream. `@name` in a bytes field is
            an archive.
    """

    method: str
    request: dict[str, Any] | list[dict[str, Any]] = {}


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes back. See `tests.contract.matching` for `<placeholders>` in texts.

    Attributes:
        status: Of the REST reply.
        error: Code in a REST error body.
        code: Status of the RPC.
        reason: Of the RPC's `ErrorInfo`.
        message: Of the error, the same over both transports.
        headers: Of the REST reply, beside those that every reply has.
        body: The REST body, to the letter.
        reply: Fields that the RPC's reply has.
        same: How the REST body and the RPC's reply agree; see `tests.contract.agreement`.
    """

    status: int = 0
    error: str = ""
    code: str = "OK"
    reason: str = ""
    message: str = ""
    headers: dict[str, str] = {}
    body: str | None = None
    reply: dict[str, Any] | None = None
    same: Literal["", "json", "run", "execution", "executions", "bytes"] = ""


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is made anew before each call.

    Attributes:
        archives: To be uploaded.
        key: Whether there is to be an API key, whose id is `$new_key`.
    """

    archives: list[str] = []
    key: bool = False


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row.

    Attributes:
        caller: Whose key is sent; `nobody` sends none.
        headers: Sent over both transports, as metadata over gRPC.
        given: What is made anew before each call.
        rest, grpc: The calls; either may be missing where the other transport has nothing
            like it.
    """

    name: str
    expect: Expect
    caller: str = msgspec.field(name="as", default="admin")
    headers: dict[str, str] = {}
    given: Given = Given()
    rest: Rest | None = None
    grpc: Grpc | None = None

    def filled(self, values: dict[str, str]) -> "Case":
        """Returns the case with `$name` replaced everywhere."""
        return msgspec.convert(_fill(msgspec.to_builtins(self), values), Case)


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An archive for the cases.

    Attributes:
        stored: Whether it is uploaded before the first case.
        files: Path to content.
        raw, size: Text, or a number of bytes, that is no zip, in place of files.
    """

    files: dict[str, str] = {}
    raw: str = ""
    size: int = 0
    stored: bool = False

    def content(self) -> bytes:
        if self.files:
            return skills.archive(self.files)
        return self.raw.encode() or bytes(self.size)


def cases() -> list[Case]:
    """Returns all rows, in the order of files and lines."""
    found: list[Case] = []
    for path in sorted(_CASES.glob("*.yaml")):
        if path != _ARCHIVES:
            found += msgspec.convert(yaml.safe_load(path.read_text()), list[Case])
    return found


def archives() -> dict[str, Archive]:
    """Returns the archives by name."""
    return msgspec.convert(yaml.safe_load(_ARCHIVES.read_text()), dict[str, Archive])


def _fill(value: Any, values: dict[str, str]) -> Any:
    match value:
        case str():
            return Template(value).safe_substitute(values)
        case dict():
            return {key: _fill(item, values) for key, item in value.items()}
        case list():
            return [_fill(item, values) for item in value]
    return value
