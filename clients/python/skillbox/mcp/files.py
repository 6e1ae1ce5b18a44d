"""The files that runs leave, as resources `skillbox://executions/ID/files/PATH`."""

import asyncio
import base64
import mimetypes
import re
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

from mcp import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    BlobResourceContents,
    ResourceLink,
    ResourceTemplate,
    TextResourceContents,
)

from skillbox.aio import AsyncClient
from skillbox.client import APIError, RunResult

TEMPLATE = ResourceTemplate(
    name="execution-file",
    title="File that a skill left",
    description="A file in the result of an execution.",
    uri_template="skillbox://executions/{execution_id}/files/{+path}",
)

MAX_LINKS = 100
# A resource travels in one message, and usually on into a model's context.
MAX_BYTES = 8 * 1024 * 1024

_URI = re.compile(r"skillbox://executions/([0-9a-f-]{36})/files/(.+)", re.DOTALL)


def links(result: RunResult) -> list[ResourceLink]:
    """Returns links to the files of a run, the first ones when there are many."""
    return [
        ResourceLink(
            name=path,
            uri=f"skillbox://executions/{result.execution_id}/files/{quote(path)}",
            mime_type=_mime_type(path),
        )
        for path in result.files_list[:MAX_LINKS]
    ]


async def read(client: AsyncClient, uri: str) -> TextResourceContents | BlobResourceContents:
    """Fetches a file: as text when it is UTF-8, else as a blob.

    Raises:
        APIError: The server refuses.
        MCPError: There is no such file, or it is too large.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise _unknown(uri)
    try:
        execution = await client.get_execution(found[1])
    except APIError as error:
        raise (_unknown(uri) if error.status_code == 404 else error) from None
    path = unquote(found[2])
    if path not in execution.files_list:
        raise _unknown(uri)
    with tempfile.TemporaryDirectory(prefix="skillbox-mcp-") as folder:
        # Writes below the folder and nowhere else, or not at all.
        try:
            await client.download_files(execution, folder)
        except ValueError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from None
        data = await asyncio.to_thread(_read, Path(folder), path)
    if data is None:
        raise _unknown(uri)
    if len(data) > MAX_BYTES:
        raise MCPError(INVALID_PARAMS, f"{uri} is larger than {MAX_BYTES} bytes")
    try:
        return TextResourceContents(uri=uri, mime_type=_mime_type(path), text=data.decode())
    except UnicodeDecodeError:
        blob = base64.b64encode(data).decode()
        return BlobResourceContents(uri=uri, mime_type=_mime_type(path), blob=blob)


def _read(folder: Path, path: str) -> bytes | None:
    """Returns the beginning of a file, enough to tell whether it is too large."""
    target = (folder / path).resolve()
    if not (target.is_relative_to(folder.resolve()) and target.is_file()):
        return None
    with target.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _mime_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _unknown(uri: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"Unknown resource: {uri}")
