"""The client for asyncio, over gRPC. Needs `pip install "skillbox[grpc]"`.

>>> async def mean(*numbers):
...     async with AsyncClient("http://localhost:8080", api_key="sk-…") as client:
...         result = await client.run("data-analysis", input={"data": numbers})
...         return result.output["mean"]
>>> asyncio.run(mean(1, 2, 6))
3.0
"""

import asyncio
import codecs
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from google.protobuf.duration_pb2 import Duration

from skillbox import wire
from skillbox.auth.v1 import api_key_service_pb2 as keys
from skillbox.client import (
    POLL_PAUSE_S,
    UNFINISHED,
    APIError,
    ApiKey,
    Client,
    Event,
    Execution,
    ExecutionPage,
    FilePieces,
    NewApiKey,
    RunResult,
    Skill,
    SkillDetail,
    SkillFile,
    auth_headers,
    check_deadline,
    deadline,
    idempotency_header,
    input_text,
    wait_step,
)
from skillbox.connection import Connection
from skillbox.executor.v1 import execution_service_pb2 as executions
from skillbox.registry.v1 import skill_service_pb2 as skills

__all__ = ["AsyncClient"]

_CHUNK = 256 * 1024
_PAGE = 1000


class AsyncClient:
    """`skillbox.Client` for asyncio: the same methods, arguments, results and errors.

    One client belongs to one event loop, whose tasks may share it; all calls go over one
    connection. Cancelling the task that awaits a run without a key cancels the run. What is
    repeated by itself is what `skillbox.Client` repeats.
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
            base_url: Such as `http://localhost:8080`; the same port serves REST and gRPC.
            api_key: Taken from SKILLBOX_API_KEY when empty.
            tenant_id: Tenant that the key must belong to; empty leaves that to the key.
            timeout: Seconds that a call, and so a run, may take. Streams have no limit.
            max_retries: How often a call is repeated that the server refuses for the moment.

        Raises:
            ValueError: `base_url` is not the http or https URL of a host, or another argument
                holds what a header cannot.
        """
        # For what only HTTP serves, and to check the arguments.
        self._http = Client(
            base_url, api_key, tenant_id=tenant_id, timeout=timeout, max_retries=max_retries
        )
        self.base_url = self._http.base_url
        if urlsplit(self.base_url).path:
            raise ValueError(f"base_url: {base_url!r} is not valid: gRPC knows no path on a host")
        self._grpc = Connection(
            self.base_url, auth_headers(api_key, tenant_id), timeout, max_retries
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection, and so cancels what goes on. The client can still be used."""
        self._http.close()
        await self._grpc.close()

    async def health(self) -> None:
        """Returns when the server answers."""
        await asyncio.to_thread(self._http.health)

    async def run(
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
        on_event: Callable[[Event], Awaitable[object]] | None = None,
    ) -> RunResult:
        """Runs a skill and waits for its end. Without a key, leaving before cancels the run.

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
            on_event: Awaited with each event as it happens, logs among them.

        Raises:
            TypeError: The input holds what JSON cannot.
            ValueError: The input is not JSON, or the key is not printable ASCII.
            APIError: As of `skillbox.Client.run`.
        """
        run = executions.SkillRun(
            skill=skill,
            version=version,
            input_json=input_text(input, input_json) or None,
            env=env,
            entrypoint=entrypoint,
            args=args,
        )
        result: RunResult | None = None
        replies = self._grpc.stream(
            self._grpc.executions.RunSkillStream,
            executions.RunSkillStreamRequest(run=run),
            # A key would also keep the run going when the caller leaves.
            headers=idempotency_header(idempotency_key) if idempotency_key else None,
            safe=bool(idempotency_key),
            timeout=self._grpc.timeout,
        )
        async with aclosing(replies):
            async for reply in replies:
                if on_event is not None:
                    await on_event(wire.event(reply.event))
                if reply.HasField("execution"):
                    result = wire.run(RunResult, reply.execution)
        if result is None:
            raise APIError(0, message="the stream ended before the run did")
        return result

    async def start(
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

        Takes and raises what `run` does; without a key it makes one for this call.
        """
        run = executions.SkillRun(
            skill=skill,
            version=version,
            input_json=input_text(input, input_json) or None,
            env=env,
            entrypoint=entrypoint,
            args=args,
        )
        reply = await self._grpc.call(
            self._grpc.executions.StartExecution,
            executions.StartExecutionRequest(run=run),
            headers=idempotency_header(idempotency_key),
        )
        return wire.run(Execution, reply.execution)

    async def wait(self, execution_id: str, timeout: float | None = None) -> Execution:
        """Waits until a run has ended, and returns it.

        Args:
            timeout: Seconds; `None` waits as long as it takes.

        Raises:
            TimeoutError: It has not ended by then. It goes on; `cancel` ends it.
            APIError: Such as 404 `not_found`.
        """
        end = deadline(timeout)
        while True:
            step = timedelta(seconds=wait_step(end, self._grpc.timeout))
            request = executions.GetExecutionRequest(id=execution_id, wait=_duration(step))
            reply = await self._grpc.call(self._grpc.executions.GetExecution, request)
            execution = wire.run(Execution, reply)
            if execution.status not in UNFINISHED:
                return execution
            check_deadline(end, execution_id)
            # A server that is stopping answers sooner than it was asked to.
            await asyncio.sleep(POLL_PAUSE_S)

    async def get_execution(self, execution_id: str) -> Execution:
        """Returns a run in any state."""
        request = executions.GetExecutionRequest(id=execution_id)
        return wire.run(
            Execution, await self._grpc.call(self._grpc.executions.GetExecution, request)
        )

    async def list_executions(
        self, *, skill: str = "", status: str = "", page_size: int = 50, page_token: str = ""
    ) -> ExecutionPage:
        """Returns one page of runs, newest first, without input, output, logs and files.

        Args:
            skill: Only runs of this skill.
            status: Only runs in this status, such as `failed`.
            page_size: At most 1000.
            page_token: `next_page_token` of the page before.
        """
        request = executions.ListExecutionsRequest(
            skill=skill,
            status=wire.status_of(status),
            page_size=page_size,
            page_token=page_token,
        )
        page = await self._grpc.call(self._grpc.executions.ListExecutions, request)
        return ExecutionPage(
            [wire.run(Execution, message) for message in page.executions], page.next_page_token
        )

    async def cancel(self, execution_id: str) -> Execution:
        """Cancels a run and returns it as it is then. A finished run stays as it is."""
        request = executions.CancelExecutionRequest(id=execution_id)
        reply = await self._grpc.call(self._grpc.executions.CancelExecution, request, safe=False)
        return wire.run(Execution, reply.execution)

    async def get_execution_logs(self, execution_id: str) -> str:
        """Returns what the skill has printed so far."""
        return "".join([text async for text in self._logs(execution_id, follow=False)])

    def follow_logs(self, execution_id: str) -> AsyncGenerator[str, None]:
        """Yields what the skill prints, as it prints, until the run has ended."""
        return self._logs(execution_id, follow=True)

    async def stream(self, execution_id: str, *, after_seq: int = 0) -> AsyncGenerator[Event, None]:
        """Yields the events of a run, live, up to `finished`.

        When the connection breaks before, this raises `APIError`; a new call with the last
        `seq` as `after_seq` goes on from there.
        """
        request = executions.WatchExecutionRequest(id=execution_id, after_seq=after_seq)
        replies = self._grpc.stream(self._grpc.executions.WatchExecution, request)
        async with aclosing(replies):
            async for reply in replies:
                yield wire.event(reply.event)

    async def register_skill(self, zip_path: str | os.PathLike[str]) -> None:
        """Uploads a skill's zip archive.

        Raises:
            FileNotFoundError: There is no such file.
        """
        await self.upload_skill(zip_path)

    async def upload_skill(
        self,
        zip_path: str | os.PathLike[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Skill:
        """Uploads a skill's zip archive and returns what was stored.

        Args:
            progress: Called with the number of bytes of each piece that was sent.

        Raises:
            FileNotFoundError: There is no such file.
        """
        with await asyncio.to_thread(Path(zip_path).open, "rb") as file:
            pieces = FilePieces(file, _CHUNK, _in_this_thread(progress))
            reply = await self._grpc.upload(
                self._grpc.skills.UploadSkill,
                lambda: _chunks(pieces),
                headers=idempotency_header(),
            )
        return wire.build(Skill, reply.skill)

    async def list_skills(self) -> list[Skill]:
        """Returns every version of every skill, by name and then by version."""
        pages = self._grpc.pages(
            self._grpc.skills.ListSkills, skills.ListSkillsRequest(page_size=_PAGE)
        )
        return [wire.build(Skill, item) async for page in pages for item in page.skills]

    async def get_skill(self, name: str, version: str = "latest") -> SkillDetail:
        """Returns one version in full."""
        request = skills.GetSkillRequest(name=name, version=version)
        return wire.skill(await self._grpc.call(self._grpc.skills.GetSkill, request))

    async def list_versions(self, name: str) -> list[Skill]:
        """Returns the versions of one skill, the highest first."""
        pages = self._grpc.pages(
            self._grpc.skills.ListSkillVersions,
            skills.ListSkillVersionsRequest(name=name, page_size=_PAGE),
        )
        return [wire.build(Skill, item) async for page in pages for item in page.versions]

    async def list_skill_files(self, name: str, version: str = "latest") -> list[SkillFile]:
        """Returns the files in the archive of one version, by path."""
        request = skills.ListSkillFilesRequest(name=name, version=version)
        reply = await self._grpc.call(self._grpc.skills.ListSkillFiles, request)
        return [wire.build(SkillFile, message) for message in reply.files]

    async def get_skill_file(self, name: str, version: str, path: str) -> bytes:
        """Returns the content of one file in the archive of one version."""
        request = skills.GetSkillFileRequest(name=name, version=version, path=path)
        replies = self._grpc.stream(self._grpc.skills.GetSkillFile, request)
        return b"".join([reply.chunk async for reply in replies])

    async def download_skill(self, name: str, version: str = "latest") -> bytes:
        """Returns the archive of one version, byte for byte as it was uploaded."""
        request = skills.DownloadSkillRequest(name=name, version=version)
        replies = self._grpc.stream(self._grpc.skills.DownloadSkill, request)
        return b"".join([reply.chunk async for reply in replies])

    async def delete_skill(self, name: str, version: str) -> None:
        """Deletes one version. Runs that already started are not affected."""
        request = skills.DeleteSkillRequest(name=name, version=version)
        await self._grpc.call(self._grpc.skills.DeleteSkill, request)

    async def download_files(
        self,
        result: RunResult,
        dest_dir: str | os.PathLike[str],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Fetches the files that a run left into `dest_dir`, which is created when missing.

        Does nothing when there are none. When an entry of the archive is not a plain file or
        folder below `dest_dir`, nothing is written at all.

        Args:
            progress: Called with the number of bytes of each piece of the archive that came.

        Raises:
            ValueError: The archive is broken, has such an entry, or is larger than 1 GiB or
                10,000 entries.
            APIError: Such as 403 when `files_url` is too old; `get_execution` has a fresh one.
        """
        tell = _in_this_thread(progress)
        await asyncio.to_thread(self._http.download_files, result, dest_dir, progress=tell)

    async def create_api_key(
        self, name: str = "", *, scopes: Sequence[str] = (), ttl: timedelta | None = None
    ) -> NewApiKey:
        """Creates a key of the same tenant.

        Args:
            name: A label for people.
            scopes: What the key may do; empty means everything but `admin`.
            ttl: How long it works; `None` means until it is revoked.
        """
        request = keys.CreateApiKeyRequest(name=name, scopes=scopes, ttl=_duration(ttl))
        reply = await self._grpc.call(self._grpc.keys.CreateApiKey, request, safe=False)
        return NewApiKey(wire.build(ApiKey, reply.api_key), reply.secret)

    async def list_api_keys(self) -> list[ApiKey]:
        """Returns the keys of the tenant, newest first, revoked and expired ones included."""
        pages = self._grpc.pages(
            self._grpc.keys.ListApiKeys, keys.ListApiKeysRequest(page_size=_PAGE)
        )
        return [wire.build(ApiKey, item) async for page in pages for item in page.api_keys]

    async def revoke_api_key(self, key_id: str) -> ApiKey:
        """Ends a key and returns it as it is then."""
        request = keys.RevokeApiKeyRequest(id=key_id)
        reply = await self._grpc.call(self._grpc.keys.RevokeApiKey, request)
        return wire.build(ApiKey, reply.api_key)

    async def rotate_api_key(self, key_id: str, *, grace: timedelta | None = None) -> NewApiKey:
        """Creates a successor of a key.

        Args:
            grace: How long the old key goes on working, at most 7 days; `None` means not at
                all.
        """
        request = keys.RotateApiKeyRequest(id=key_id, grace=_duration(grace))
        reply = await self._grpc.call(self._grpc.keys.RotateApiKey, request, safe=False)
        return NewApiKey(wire.build(ApiKey, reply.api_key), reply.secret)

    async def _logs(self, execution_id: str, *, follow: bool) -> AsyncGenerator[str, None]:
        request = executions.GetExecutionLogsRequest(id=execution_id, follow=follow)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        replies = self._grpc.stream(self._grpc.executions.GetExecutionLogs, request)
        async with aclosing(replies):
            async for reply in replies:
                if text := decoder.decode(reply.log.data):
                    yield text
        if text := decoder.decode(b"", final=True):
            yield text


async def _chunks(pieces: FilePieces) -> AsyncGenerator[skills.UploadSkillRequest, None]:
    left = iter(pieces)
    while chunk := await asyncio.to_thread(next, left, b""):
        yield skills.UploadSkillRequest(chunk=chunk)


def _in_this_thread(
    progress: Callable[[int], object] | None,
) -> Callable[[int], object] | None:
    """Returns what other threads can call to have progress told in that of the event loop."""
    loop = asyncio.get_running_loop()
    return progress and (lambda size: loop.call_soon_threadsafe(progress, size))


def _duration(value: timedelta | None) -> Duration | None:
    if value is None:
        return None
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
