"""The Skillbox client: one file, the standard library alone.

>>> client = Client("http://localhost:8080", api_key="sk-…")
>>> result = client.run("data-analysis", input={"data": [1, 2, 3, 4, 5]})
>>> result.output["mean"]
3.0
>>> client.download_files(result, "out")
"""

import codecs
import contextlib
import http.client
import json
import os
import random
import re
import select
import shutil
import sys
import tarfile
import tempfile
import time
import uuid
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "APIError",
    "ApiKey",
    "Client",
    "Event",
    "Execution",
    "ExecutionPage",
    "NewApiKey",
    "RunResult",
    "Skill",
    "SkillDetail",
    "SkillFile",
]

_CHUNK = 64 * 1024
_MAX_IDLE = 16
_MAX_UNPACKED = 1024**3
_MAX_ENTRIES = 10_000
_FIRST_DELAY_S = 0.25
_MAX_DELAY_S = 30.0
_WAIT_S = 30.0
POLL_PAUSE_S = 0.05
UNFINISHED = ("queued", "running")
_KEY_HEADER = "Idempotency-Key"
# JSON text, or what gives the pieces of a body anew for each attempt.
_Body = str | Callable[[], Iterable[bytes]] | None

_COLON = re.compile(r"\s*:\s*")
_GAP = re.compile(r"\s*[{,]?\s*")


class APIError(Exception):
    """The server refused a call, or could not be reached.

    >>> try:
    ...     client.run("no-such-skill")
    ... except APIError as error:
    ...     print(error.status_code, error.error_code)
    404 not_found

    Attributes:
        status_code: HTTP status; 0 when there was no reply.
        error_code: Such as `not_found`; empty when the reply did not have one.
        message: Text for people; may be empty.
        retry_after: Seconds after which the server, which has not begun with the call, asks to
            be tried again; `None` when it did not.
    """

    def __init__(
        self,
        status_code: int,
        error_code: str = "",
        message: str = "",
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status_code, error_code, message)
        self.status_code = status_code
        self.error_code = error_code
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        code = f" {self.error_code}" if self.error_code else ""
        message = f": {self.message}" if self.message else ""
        return f"skillbox: {self.status_code}{code}{message}"


@dataclass(frozen=True)
class RunResult:
    """What became of a run. A skill that fails is a result, not an error.

    Attributes:
        status: `success`, `failed` or `timeout`.
        output: Content of output.json; `None` when there was none. An integer of more digits
            than Python turns into an `int` is a `decimal.Decimal`.
        files_url: Where the skill's files can be fetched for an hour; empty without files.
        error: Why it did not succeed, as a sentence; empty when it did.
        reason: The same as a word, such as `TIME_LIMIT`.
        exit_code: `None` when the skill did not exit by itself.
        output_json: The text of `output`, with every digit as the skill wrote it.
    """

    execution_id: str = ""
    status: str = ""
    output: Any = None
    files_url: str = ""
    files_list: list[str] = field(default_factory=list)
    logs: str = ""
    duration_ms: int = 0
    error: str = ""
    reason: str = ""
    exit_code: int | None = None
    output_json: str = field(default="", repr=False)

    @property
    def has_files(self) -> bool:
        """Whether there is something for `Client.download_files`."""
        return bool(self.files_url)


@dataclass(frozen=True)
class Execution(RunResult):
    """A run in any state, as the server remembers it.

    Attributes:
        status: Also `queued`, `running` and `cancelled`.
        skill_version: Resolved, never `latest`.
        created_at: RFC 3339, like `started_at` and `finished_at`, which are empty until then.
        sandbox: Evidence of how it was isolated.
        queue_position: Counts the queued runs of the tenant up to this one; 0 when not queued.
    """

    skill_name: str = ""
    skill_version: str = ""
    tenant_id: str = ""
    input: Any = None
    created_at: str = ""
    started_at: str = ""
    finished_at: str = ""
    sandbox: dict[str, Any] = field(default_factory=dict)
    input_json: str = field(default="", repr=False)
    queue_position: int = 0


@dataclass(frozen=True)
class ExecutionPage:
    """Executions, newest first; `next_page_token` is empty on the last page."""

    executions: list[Execution]
    next_page_token: str = ""


@dataclass(frozen=True)
class Event:
    """One event of an execution.

    Attributes:
        seq: Counts from 1 without gaps; the cursor of `Client.stream`.
        type: `queued`, `started`, `log`, `artifact` or `finished`, which is the last.
    """

    seq: int
    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Skill:
    """One version of a skill."""

    name: str = ""
    version: str = ""
    description: str = ""
    lang: str = ""


@dataclass(frozen=True)
class SkillDetail(Skill):
    """One version of a skill in full. What its SKILL.md leaves out is empty here.

    Attributes:
        dependencies: `status` (`pending`, `ready` or `failed`) of the packages that it asks for,
            and `error`; empty when it asks for none.
    """

    image: str = ""
    instructions: str = ""
    timeout: str = ""
    resources: dict[str, str] = field(default_factory=dict)
    mode: str = ""
    entrypoint: str = ""
    digest: str = ""
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    runtime: str = ""
    dependencies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SkillFile:
    """A file in the archive of a skill; `path` is relative to the folder of SKILL.md."""

    path: str = ""
    size_bytes: int = 0
    executable: bool = False


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret. Times are RFC 3339, empty for never."""

    id: str = ""
    tenant_id: str = ""
    name: str = ""
    scopes: list[str] = field(default_factory=list)
    prefix: str = ""
    created_at: str = ""
    expires_at: str = ""
    last_used_at: str = ""
    revoked_at: str = ""


@dataclass(frozen=True)
class NewApiKey:
    """A new API key; its secret cannot be had again."""

    api_key: ApiKey
    secret: str = field(repr=False)


class Client:
    """Talks to one Skillbox server. Threads may share it; connections are kept and reused.

    A call that the server refuses for the moment (429, 503) is repeated after the time that the
    server names, where repeating it is safe: reading and deleting always, `start` and uploads
    since they carry an idempotency key, `run` without one only when the server says that it has
    not begun. A lost connection repeats nothing. Every method raises `APIError` when the server
    refuses for good or cannot be reached.

    >>> with Client("http://localhost:8080", api_key="sk-…") as client:
    ...     client.health()
    """

    def __init__(
        self,
        base_url: str,
        api_key: str = "",
        *,
        tenant_id: str = "",
        timeout: float | None = None,
        max_retries: int = 2,
    ) -> None:
        """Makes a client; nothing is sent yet.

        Args:
            base_url: Such as `http://localhost:8080`.
            api_key: Taken from SKILLBOX_API_KEY when empty.
            tenant_id: Tenant that the key must belong to; empty leaves that to the key.
            timeout: Seconds without any answer after which a call fails. A run answers when
                it has ended. `None` waits as long as it takes.
            max_retries: How often a call is repeated that the server refuses for the moment.

        Raises:
            ValueError: `base_url` is not an http or https URL, or another argument holds what
                an HTTP header cannot.
        """
        self.base_url = base_url.rstrip("/")
        self._url = _split_url("base_url", self.base_url)
        self._timeout = timeout
        self._max_retries = max_retries
        self._headers = {"Accept": "*/*", **auth_headers(api_key, tenant_id)}
        self._idle: list[http.client.HTTPConnection] = []
        self._finalizer = weakref.finalize(self, _close_all, self._idle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the idle connections. The client can still be used."""
        _close_all(self._idle)

    def health(self) -> None:
        """Returns when the server answers.

        >>> client.health()
        """
        self._call("GET", "/health")

    def run(
        self,
        skill: str,
        *,
        version: str = "",
        input: Any = None,  # noqa: A002 - the documented name
        env: Mapping[str, str] | None = None,
        entrypoint: str = "",
        args: Sequence[str] = (),
        input_json: str = "",
        idempotency_key: str = "",
    ) -> RunResult:
        """Runs a skill and waits for its end. Without a key, leaving before cancels the run.

        >>> client.run("data-analysis", input={"data": [1, 2, 6]}).output["mean"]
        3.0

        Args:
            version: Empty means `latest`.
            input: Anything that JSON can hold.
            env: Added to the environment of the skill.
            entrypoint: Another script of the skill to run.
            args: Arguments of the script.
            input_json: JSON text in place of `input`; reaches the skill as it is.
            idempotency_key: At most 255 printable ASCII characters. A call with the key of an
                earlier one returns what became of that instead of running again, also when
                that caller left: with a key the run goes on by itself.

        Raises:
            TypeError: The input holds what JSON cannot.
            ValueError: The input is not JSON, or the key is not printable ASCII.
            APIError: Such as 404 `not_found` for an unknown skill, 429 `resource_exhausted`, or
                422 `idempotency_key_reused` when the key belongs to another run than this. A
                skill that fails is no error but a result.
        """
        body = _run_body(
            skill=skill,
            version=version,
            input=input_text(input, input_json),
            env=env,
            entrypoint=entrypoint,
            args=args,
        )
        # A key would also keep the run going when the caller leaves.
        headers = idempotency_header(idempotency_key) if idempotency_key else {}
        return _build_run(RunResult, self._call("POST", "/v1/executions", body, headers))

    def start(
        self,
        skill: str,
        *,
        version: str = "",
        input: Any = None,  # noqa: A002 - the documented name
        env: Mapping[str, str] | None = None,
        entrypoint: str = "",
        args: Sequence[str] = (),
        input_json: str = "",
        idempotency_key: str = "",
    ) -> Execution:
        """Starts a run and returns at once. It goes on whether anybody waits or not.

        >>> execution = client.start("data-analysis", input={"data": [1, 2, 6]})
        >>> client.wait(execution.execution_id).output["mean"]
        3.0

        Takes and raises what `run` does; without a key it makes one for this call.
        """
        body = _run_body(
            skill=skill,
            version=version,
            input=input_text(input, input_json),
            env=env,
            entrypoint=entrypoint,
            args=args,
        )
        headers = {**idempotency_header(idempotency_key), "Prefer": "respond-async"}
        return _build_run(Execution, self._call("POST", "/v1/executions", body, headers))

    def wait(self, execution_id: str, timeout: float | None = None) -> Execution:
        """Waits until a run has ended, and returns it.

        >>> client.wait(result.execution_id, timeout=10).status
        'success'

        Args:
            timeout: Seconds; `None` waits as long as it takes.

        Raises:
            TimeoutError: It has not ended by then. It goes on; `cancel` ends it.
            APIError: Such as 404 `not_found`.
        """
        end = deadline(timeout)
        path = f"/v1/executions/{_segment(execution_id)}"
        while True:
            query = urlencode({"wait": f"{wait_step(end, self._timeout):.3f}s"})
            execution = _build_run(Execution, self._call("GET", f"{path}?{query}"))
            if execution.status not in UNFINISHED:
                return execution
            check_deadline(end, execution_id)
            # A server that is stopping answers sooner than it was asked to.
            time.sleep(POLL_PAUSE_S)

    def get_execution(self, execution_id: str) -> Execution:
        """Returns a run in any state.

        >>> client.get_execution(result.execution_id).status
        'success'
        """
        reply = self._call("GET", f"/v1/executions/{_segment(execution_id)}")
        return _build_run(Execution, reply)

    def list_executions(
        self, *, skill: str = "", status: str = "", page_size: int = 50, page_token: str = ""
    ) -> ExecutionPage:
        """Returns one page of runs, newest first, without input, output, logs and files.

        >>> page = client.list_executions(skill="data-analysis", status="success")
        >>> page.executions[0].skill_name
        'data-analysis'

        Args:
            skill: Only runs of this skill.
            status: Only runs in this status, such as `failed`.
            page_size: At most 1000.
            page_token: `next_page_token` of the page before.
        """
        query = {"page_size": str(page_size)}
        if skill:
            query["skill"] = skill
        if status:
            query["status"] = status
        if page_token:
            query["page_token"] = page_token
        page = _parse(self._call("GET", f"/v1/executions?{urlencode(query)}"), dict)
        executions = [from_members(Execution, item) for item in page.get("executions") or []]
        return ExecutionPage(executions, page.get("next_page_token") or "")

    def cancel(self, execution_id: str) -> Execution:
        """Cancels a run and returns it as it is then. A finished run stays as it is.

        >>> client.cancel(result.execution_id).status
        'success'
        """
        reply = self._call("POST", f"/v1/executions/{_segment(execution_id)}:cancel", "{}")
        return _build_run(Execution, reply)

    def get_execution_logs(self, execution_id: str) -> str:
        """Returns what the skill has printed so far.

        >>> client.get_execution_logs(result.execution_id).splitlines()[-1]
        'Wrote report.md'
        """
        reply = self._call("GET", f"/v1/executions/{_segment(execution_id)}/logs")
        return reply.decode(errors="replace")

    def follow_logs(self, execution_id: str) -> Iterator[str]:
        """Yields what the skill prints, as it prints, until the run has ended.

        >>> for text in client.follow_logs(result.execution_id):
        ...     print(text, end="")
        Analysing 3 numbers
        Wrote report.md
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        path = f"/v1/executions/{_segment(execution_id)}/logs?follow=true"
        for chunk in self._stream("GET", path):
            if text := decoder.decode(chunk):
                yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def stream(self, execution_id: str, *, after_seq: int = 0) -> Iterator[Event]:
        """Yields the events of a run, live, up to `finished`.

        >>> [event.type for event in client.stream(result.execution_id)]
        ['queued', 'started', ..., 'finished']

        When the connection breaks before, this raises `APIError`; a new call with the last
        `seq` as `after_seq` goes on from there.
        """
        path = f"/v1/executions/{_segment(execution_id)}/events?after_seq={after_seq}"
        for event in _parse_events(self._stream("GET", path)):
            yield event
            if event.type == "finished":
                return
        raise APIError(0, message="the event stream ended before the execution did")

    def register_skill(self, zip_path: str | os.PathLike[str]) -> None:
        """Uploads a skill's zip archive.

        >>> client.register_skill("data-analysis-1.0.0.zip")

        Raises:
            FileNotFoundError: There is no such file.
        """
        self.upload_skill(zip_path)

    def upload_skill(
        self,
        zip_path: str | os.PathLike[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Skill:
        """Uploads a skill's zip archive and returns what was stored.

        >>> client.upload_skill("data-analysis-1.0.0.zip").version
        '1.0.0'

        Args:
            progress: Called with the number of bytes of each piece that was sent.

        Raises:
            FileNotFoundError: There is no such file.
            APIError: Such as 400 `invalid_skill`, whose message lists every problem.
        """
        path = Path(zip_path)
        boundary = uuid.uuid4().hex
        filename = path.name.translate({ord('"'): "%22", ord("\r"): "%0D", ord("\n"): "%0A"})
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{filename}"\r\nContent-Type: application/zip\r\n\r\n'
        ).encode(errors="replace")
        tail = f"\r\n--{boundary}--\r\n".encode()
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            headers = {
                **idempotency_header(),
                "Content-Type": f"multipart/form-data; boundary={boundary}",
                "Content-Length": str(len(head) + size + len(tail)),
            }
            pieces = FilePieces(file, _CHUNK, progress)
            reply = self._call("POST", "/v1/skills", lambda: _framed(head, pieces, tail), headers)
        return from_members(Skill, _parse(reply, dict))

    def list_skills(self) -> list[Skill]:
        """Returns every version of every skill, by name and then by version.

        >>> "data-analysis" in [skill.name for skill in client.list_skills()]
        True
        """
        return [from_members(Skill, item) for item in _parse(self._call("GET", "/v1/skills"), list)]

    def get_skill(self, name: str, version: str = "latest") -> SkillDetail:
        """Returns one version in full.

        >>> client.get_skill("data-analysis").entrypoint
        'scripts/main.py'
        """
        reply = self._call("GET", f"/v1/skills/{_segment(name)}/{_segment(version)}")
        return from_members(SkillDetail, _parse(reply, dict))

    def list_versions(self, name: str) -> list[Skill]:
        """Returns the versions of one skill, the highest first.

        >>> client.list_versions("data-analysis")[0].version
        '1.0.0'
        """
        versions: list[Skill] = []
        token = ""
        while True:
            query = urlencode({"page_size": "1000", "page_token": token})
            page = _parse(self._call("GET", f"/v1/skills/{_segment(name)}?{query}"), dict)
            versions += [from_members(Skill, item) for item in page.get("versions") or []]
            token = page.get("next_page_token") or ""
            if not token:
                return versions

    def list_skill_files(self, name: str, version: str = "latest") -> list[SkillFile]:
        """Returns the files in the archive of one version, by path.

        >>> [file.path for file in client.list_skill_files("data-analysis")]
        ['SKILL.md', 'scripts/main.py']
        """
        reply = self._call("GET", f"/v1/skills/{_segment(name)}/{_segment(version)}/files")
        return [from_members(SkillFile, item) for item in _parse(reply, dict).get("files") or []]

    def get_skill_file(self, name: str, version: str, path: str) -> bytes:
        """Returns the content of one file in the archive of one version.

        >>> client.get_skill_file("data-analysis", "latest", "SKILL.md")[:3]
        b'---'
        """
        version_path = f"/v1/skills/{_segment(name)}/{_segment(version)}"
        return self._call("GET", f"{version_path}/files/{quote(path)}")

    def download_skill(self, name: str, version: str = "latest") -> bytes:
        """Returns the archive of one version, byte for byte as it was uploaded.

        >>> client.download_skill("data-analysis")[:2]
        b'PK'
        """
        return self._call("GET", f"/v1/skills/{_segment(name)}/{_segment(version)}/archive")

    def delete_skill(self, name: str, version: str) -> None:
        """Deletes one version. Runs that already started are not affected.

        >>> client.delete_skill("data-analysis", "0.9.0")
        """
        self._call("DELETE", f"/v1/skills/{_segment(name)}/{_segment(version)}")

    def download_files(
        self,
        result: RunResult,
        dest_dir: str | os.PathLike[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Fetches the files that a run left into `dest_dir`, which is created when missing.

        >>> client.download_files(result, "out")
        >>> os.listdir("out")
        ['report.md']

        Does nothing when there are none. When an entry of the archive is not a plain file or
        folder below `dest_dir`, nothing is written at all.

        Args:
            progress: Called with the number of bytes of each piece of the archive that came.

        Raises:
            ValueError: The archive is broken, has such an entry, or is larger than 1 GiB or
                10,000 entries.
            APIError: Such as 403 when `files_url` is too old; `get_execution` has a fresh one.
        """
        if not result.has_files:
            return
        # The URL is signed: the key stays out of this request, whose host may be another.
        url = _split_url("files_url", result.files_url)
        target = urlunsplit(("", "", url.path or "/", url.query, ""))
        connection = _connect(url, self._timeout)
        with tempfile.TemporaryFile() as archive:
            try:
                response = _exchange(connection, "GET", target, None, {})
                while chunk := _read(response, _CHUNK):
                    archive.write(chunk)
                    if progress is not None:
                        progress(len(chunk))
            finally:
                connection.close()
            archive.seek(0)
            _extract(archive, Path(dest_dir))

    def create_api_key(
        self, name: str = "", *, scopes: Sequence[str] = (), ttl: timedelta | None = None
    ) -> NewApiKey:
        """Creates a key of the same tenant.

        >>> key = client.create_api_key("reader", scopes=["skills:read"], ttl=timedelta(days=30))
        >>> key.secret
        'sk-...'

        Args:
            name: A label for people.
            scopes: What the key may do; empty means everything but `admin`.
            ttl: How long it works; `None` means until it is revoked.
        """
        request: dict[str, Any] = {"name": name, "scopes": list(scopes)}
        if ttl is not None:
            request["ttl"] = _duration(ttl)
        return _new_key(self._call("POST", "/v1/api-keys", json.dumps(request)))

    def list_api_keys(self) -> list[ApiKey]:
        """Returns the keys of the tenant, newest first, revoked and expired ones included.

        >>> [key.name for key in client.list_api_keys()]
        [...]
        """
        keys: list[ApiKey] = []
        token = ""
        while True:
            query = urlencode({"page_size": "1000", "page_token": token})
            page = _parse(self._call("GET", f"/v1/api-keys?{query}"), dict)
            keys += [from_members(ApiKey, item) for item in page.get("api_keys") or []]
            token = page.get("next_page_token") or ""
            if not token:
                return keys

    def revoke_api_key(self, key_id: str) -> ApiKey:
        """Ends a key and returns it as it is then.

        >>> key = client.create_api_key("short-lived").api_key
        >>> bool(client.revoke_api_key(key.id).revoked_at)
        True
        """
        reply = _parse(self._call("DELETE", f"/v1/api-keys/{_segment(key_id)}"), dict)
        return from_members(ApiKey, reply.get("api_key") or {})

    def rotate_api_key(self, key_id: str, *, grace: timedelta | None = None) -> NewApiKey:
        """Creates a successor of a key.

        >>> key = client.create_api_key("rotated").api_key
        >>> client.rotate_api_key(key.id, grace=timedelta(hours=1)).api_key.name
        'rotated'

        Args:
            grace: How long the old key goes on working, at most 7 days; `None` means not at
                all.
        """
        request = {} if grace is None else {"grace": _duration(grace)}
        path = f"/v1/api-keys/{_segment(key_id)}:rotate"
        return _new_key(self._call("POST", path, json.dumps(request)))

    def _call(
        self,
        method: str,
        path: str,
        body: _Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Sends a request and returns the whole body of the reply."""
        connection, response = self._open(method, path, body, headers)
        try:
            data = _read(response)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return data

    def _stream(self, method: str, path: str) -> Iterator[bytes]:
        """Sends a request and yields the body of the reply as it comes."""
        connection, response = self._open(method, path)
        try:
            while chunk := _read_available(response):
                yield chunk
        finally:
            connection.close()

    def _open(
        self,
        method: str,
        path: str,
        body: _Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Sends a request, again while that is allowed; the body of the reply is unread."""
        headers = headers or {}
        safe = method in ("GET", "DELETE") or _KEY_HEADER in headers
        attempt = 0
        while True:
            connection = self._take()
            try:
                return connection, self._send(connection, method, path, body, headers)
            except APIError as error:
                connection.close()
                delay = retry_delay(error, attempt, safe=safe)
                if delay is None or attempt >= self._max_retries:
                    raise
            except BaseException:
                connection.close()
                raise
            time.sleep(delay)
            attempt += 1

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: _Body,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        headers = {**self._headers, **headers}
        if isinstance(body, str):
            headers["Content-Type"] = "application/json"
            content: bytes | Iterable[bytes] | None = body.encode()
        else:
            content = body() if body else None
        return _exchange(connection, method, self._url.path + path, content, headers)

    def _take(self) -> http.client.HTTPConnection:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if _is_alive(connection):
                return connection
            connection.close()
        return _connect(self._url, self._timeout)

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        # http.client has closed the socket itself when the server asked for that.
        if connection.sock is not None and len(self._idle) < _MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()


def input_text(value: Any, text: str) -> str:
    """Returns the input of a run as JSON text; empty for none.

    Raises:
        TypeError: `value` holds what JSON cannot.
        ValueError: So does `value`, or `text` is not JSON.
    """
    if text:
        check_json(text)
        return text
    return "" if value is None else json.dumps(value, allow_nan=False)


def parse_json(text: str) -> Any:
    """Returns the value of a JSON text.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is nested too deeply.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses to make an int of very many digits.
        from decimal import Decimal  # noqa: PLC0415 - seldom used

        limit = sys.get_int_max_str_digits()
        return json.loads(
            text, parse_int=lambda digits: (int if len(digits) <= limit else Decimal)(digits)
        )


class FilePieces:
    """The content of a file in pieces, as often as it is asked for."""

    def __init__(
        self, file: IO[bytes], size: int, progress: Callable[[int], object] | None
    ) -> None:
        """Reads nothing yet.

        Args:
            size: Bytes of a piece.
            progress: Called with the size of each piece that was taken, once for each.
        """
        self._file = file
        self._size = size
        self._progress = progress
        self._told = 0

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(self._size):
            yield piece
            # What is sent again was told before.
            news = self._file.tell() - self._told
            if self._progress is not None and news > 0:
                self._told += news
                self._progress(news)


def check_json(text: str) -> None:
    """Returns when `text` is JSON.

    Raises:
        ValueError: It is not; the text says where.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        # Numbers stay text: this is about the form, and some digits would cost much.
        json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def auth_headers(api_key: str, tenant_id: str) -> dict[str, str]:
    """Returns the headers that say who calls.

    Raises:
        ValueError: A header cannot hold a value.
    """
    headers = {}
    # Keys are often read from files, which end with a newline.
    if key := (api_key or os.environ.get("SKILLBOX_API_KEY", "")).strip():
        headers["Authorization"] = f"Bearer {_header('api_key', key)}"
    if tenant_id:
        headers["X-Tenant-ID"] = _header("tenant_id", tenant_id)
    return headers


def idempotency_header(key: str = "") -> dict[str, str]:
    """Returns the header that makes it safe to repeat a call; without a key, with a new one.

    Raises:
        ValueError: A header cannot hold the key.
    """
    return {_KEY_HEADER: _header("idempotency_key", key) or str(uuid.uuid4())}


def deadline(timeout: float | None) -> float | None:
    """Returns when waiting ends, on the monotonic clock; `None` for never."""
    return None if timeout is None else time.monotonic() + timeout


def wait_step(end: float | None, call_timeout: float | None) -> float:
    """Returns for how many seconds to ask the server to hold its reply back.

    Args:
        end: Of all waiting, on the monotonic clock.
        call_timeout: Seconds that the caller gives one call, which the reply has to keep.
    """
    step = _WAIT_S if call_timeout is None else min(_WAIT_S, call_timeout / 2)
    return step if end is None else max(0.0, min(step, end - time.monotonic()))


def check_deadline(end: float | None, execution_id: str) -> None:
    """Returns when there is time left.

    Raises:
        TimeoutError: There is none.
    """
    if end is not None and time.monotonic() >= end:
        raise TimeoutError(f"skillbox: execution {execution_id} has not ended in time")


def retry_delay(error: APIError, attempt: int, *, safe: bool) -> float | None:
    """Returns for how many seconds to wait before a call is repeated; `None` forbids it.

    Args:
        attempt: How often the call has been repeated already.
        safe: Whether it does no harm when the server gets the call twice. Any other call is
            repeated only when the server asks for it, since a 503 alone may also come from a
            run that was lost on its way.
    """
    if error.status_code not in (429, 503) or not (safe or error.retry_after is not None):
        return None
    delay = _FIRST_DELAY_S * 2**attempt if error.retry_after is None else error.retry_after
    if delay > _MAX_DELAY_S:
        return None
    # Callers that were refused together should not come back together.
    return delay * random.uniform(1, 1.25)  # noqa: S311 - no secret depends on it


# --- The wire ---------------------------------------------------------------------------------


def _split_url(name: str, url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{name}: {url!r} is not valid: expected a URL such as http://localhost:8080"
        )
    return parts


def _header(name: str, value: str) -> str:
    """Returns `value`. The library would refuse it too, but show a key in its error."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name}: expected printable ASCII characters")
    return value


def _connect(url: SplitResult, timeout: float | None) -> http.client.HTTPConnection:
    """Makes a connection object; it connects with its first request."""
    tls = url.scheme == "https"
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    return kind(url.hostname or "", url.port, timeout=timeout)


def _close_all(connections: list[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    """Tells whether the server has left an idle connection open.

    There is nothing to read on such a connection, unless it is the end.
    """
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: bytes | Iterable[bytes] | None,
    headers: Mapping[str, str],
) -> http.client.HTTPResponse:
    """Sends a request and returns the reply, its body unread.

    Raises:
        APIError: There was none, or it is a refusal; then its body was read.
    """
    try:
        # A server that refuses an upload need not read it to its end; its reply says why.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(connection, error) from error
    if 200 <= response.status < 300:
        return response
    raise _refusal(response.status, _read(response), response.getheader("Retry-After", ""))


def _read(response: http.client.HTTPResponse, size: int | None = None) -> bytes:
    try:
        return response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise APIError(0, message=f"the reply broke off: {_say(error)}") from error


def _read_available(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise APIError(0, message=f"the reply broke off: {_say(error)}") from error


def _unreachable(connection: http.client.HTTPConnection, error: Exception) -> APIError:
    return APIError(0, message=f"no reply from {connection.host}:{connection.port}: {_say(error)}")


def _say(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else ""
    return text or str(error) or type(error).__name__


def _refusal(status: int, body: bytes, retry_after: str) -> APIError:
    seconds = int(retry_after) if re.fullmatch(r"\d{1,9}", retry_after, re.ASCII) else None
    try:
        reply = json.loads(body)
        return APIError(status, str(reply["error"]), str(reply["message"]), retry_after=seconds)
    except (ValueError, LookupError, TypeError, RecursionError):
        return APIError(status, retry_after=seconds)


def _framed(head: bytes, pieces: Iterable[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    yield from pieces
    yield tail


def _run_body(*, input: str, **members: Any) -> str:  # noqa: A002 - the name of the member
    """Writes the request of a run; what is empty is left out, the input stays as it is."""
    texts = {name: json.dumps(value) for name, value in members.items() if value}
    if input:
        texts["input"] = input
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"


def _segment(text: str) -> str:
    return quote(text, safe="")


def _duration(value: timedelta) -> str:
    return f"{value.total_seconds():f}s"


# --- Replies ----------------------------------------------------------------------------------

_T = TypeVar("_T")
_Run = TypeVar("_Run", bound=RunResult)
_Data = TypeVar("_Data", bound="DataclassInstance")


def _parse(body: bytes, kind: type[_T]) -> _T:
    try:
        value = parse_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from error
    if not isinstance(value, kind):
        raise _unreadable(TypeError(f"expected a JSON {kind.__name__}"))
    return value


def _member_texts(text: str) -> dict[str, str]:
    """Returns the text of each member's value of an object that is valid JSON."""
    texts: dict[str, str] = {}
    # Only where a value ends counts here.
    decode = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode
    position = _skip(_GAP, text, 0)
    while text[position] != "}":
        name, position = decode(text, position)
        start = _skip(_COLON, text, position)
        _, position = decode(text, start)
        texts[name] = text[start:position]
        position = _skip(_GAP, text, position)
    return texts


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    assert match is not None, "both patterns match everywhere in valid JSON"
    return match.end()


def _unreadable(error: Exception) -> APIError:
    return APIError(0, message=f"the reply cannot be read, is this a Skillbox server? {error}")


def from_members(kind: type[_Data], values: Mapping[str, Any]) -> _Data:
    """Fills a dataclass with what it knows of a reply; null and absent give the default."""
    known = {item.name for item in fields(kind)}
    return kind(**{name: v for name, v in values.items() if name in known and v is not None})


def _build_run(kind: type[_Run], body: bytes) -> _Run:
    """Reads a run, with input and output as values and as texts."""
    values = _parse(body, dict)
    texts = _member_texts(body.decode())
    for name in ("input", "output"):
        if values.get(name) is not None:
            values[f"{name}_json"] = texts[name]
    return from_members(kind, values)


def _new_key(body: bytes) -> NewApiKey:
    reply = _parse(body, dict)
    return NewApiKey(from_members(ApiKey, reply.get("api_key") or {}), str(reply.get("secret", "")))


def _parse_events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Reads Server-Sent Events."""
    members: dict[str, str] = {}
    buffer = b""
    for chunk in chunks:
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.decode(errors="replace").rstrip("\r").partition(":")
            value = value.removeprefix(" ")
            if name == "data" and "data" in members:
                members["data"] += "\n" + value
            elif name:
                members[name] = value
            elif "data" in members:
                yield _event(members)
                members = {}


def _event(members: Mapping[str, str]) -> Event:
    try:
        data = json.loads(members["data"])
        return Event(int(members["id"]), members["event"], data)
    except (ValueError, LookupError, RecursionError) as error:
        raise _unreadable(error) from error


# --- Files ------------------------------------------------------------------------------------


def _extract(archive: IO[bytes], folder: Path) -> None:
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as tar:
            members = []
            unpacked = 0
            for member in tar:
                _check_member(member)
                members.append(member)
                unpacked += member.size
                if unpacked > _MAX_UNPACKED or len(members) > _MAX_ENTRIES:
                    raise ValueError("skillbox: the archive of files is too large")
            folder.mkdir(parents=True, exist_ok=True)
            root = folder.resolve()
            for member in members:
                _write_member(tar, member, root)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"skillbox: the archive of files is broken: {error}") from error


def _check_member(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise ValueError(f"skillbox: path traversal detected in tar entry: {member.name}")
    if not (member.isreg() or member.isdir()):
        raise ValueError(f"skillbox: neither a file nor a folder in tar entry: {member.name}")


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    target = root / member.name
    # A link that was in the folder before must not lead out of it either.
    if not target.resolve().is_relative_to(root):
        raise ValueError(f"skillbox: path traversal detected in tar entry: {member.name}")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None, "a regular file has content"
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
